"""What is planted: a small mistake, and the tests that should see it."""

from typing import NamedTuple


class Mistake(NamedTuple):
    """A text of a file put in place of another.

    Attributes:
      what: is wrong then.
      file: that it is planted in.
      old: text that occurs there exactly once.
      new: what takes its place.
      tests: arguments of pytest: files, and -k EXPRESSION where few tests of them are enough.
    """

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
