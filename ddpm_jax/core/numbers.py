"""Arithmetic of whole numbers."""


def next_multiple(value: int, of: int) -> int:
    """The least multiple of `of` that is not below `value`."""
    return -(-value // of) * of
