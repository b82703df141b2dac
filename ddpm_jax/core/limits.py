"""Limits: the values that a field of a config may have, and what an error says of others."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ddpm_jax.core.errors import hint

LARGEST_INT = 2**31 - 1  # The largest that a signed 32-bit integer holds.

Number = float | int


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on the value of a field; for a tuple, on each of its items."""

    at_least: Number | None = None
    at_most: Number | None = None
    above: Number | None = None
    below: Number | None = None
    finite: bool = False
    one_of: tuple[Any, ...] | Mapping[str, Any] | None = None
    remedy: str | None = None

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError in one line if a value is outside."""
        items = value if isinstance(value, tuple) else (value,)
        if self.one_of is not None and any(item not in self.one_of for item in items):
            known = sorted(self.one_of)
            raise ValueError(
                f"{name} = {value!r} is not one of {known}.{hint(str(value), known)}"
            )
        if not all(self._holds(item) for item in items):
            raise ValueError(
                f"{name} = {value}: {self.remedy or self._range_in_words()}."
            )
        is_count = self.at_least is not None and self.at_most is None
        if is_count and any(type(i) is int and i > LARGEST_INT for i in items):
            raise ValueError(f"{name} = {value}: write at most {LARGEST_INT}.")

    def _holds(self, value: Any) -> bool:
        if isinstance(value, str):
            return True
        return value == value and (
            (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and not (self.finite and abs(value) == math.inf)
        )

    def _range_in_words(self) -> str:
        """The range in words, as the clause of an error that says what to write."""
        low, high = self.above, self.below
        if self.at_least is not None and self.at_most is None and high is None:
            return f"write {self.at_least:g} or more"
        if low is not None and self.at_most is None and high is None:
            return f"write a number above {low:g}"
        first = f"[{self.at_least:g}" if self.at_least is not None else "(-inf"
        first = f"({low:g}" if low is not None else first
        last = f"{self.at_most:g}]" if self.at_most is not None else "inf)"
        last = f"{high:g})" if high is not None else last
        return f"write a number in {first}, {last}"
