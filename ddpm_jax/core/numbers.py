"""Whole numbers."""


def next_multiple(value: int, of: int) -> int:
    """The least multiple of a number that is not below a value."""
    return -(-value // of) * of
