"""What a campaign plants or injects, by the part it is in and by number; some of it by name."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def numbered(parts: Mapping[str, Sequence[T]]) -> dict[str, T]:
    """Every one by its name: the part, and a number in it from 1 on."""
    return {
        f"{part}-{number}": one
        for part, ones in parts.items()
        for number, one in enumerate(ones, 1)
    }


def chosen(parts: Mapping[str, Sequence[T]], only: str) -> dict[str, T]:
    """Those of some parts or names by commas; "": all.

    Raises:
      SystemExit: there is no such part or name.
    """
    known = numbered(parts)
    wanted = set(filter(None, only.split(",")))
    if unknown := wanted - known.keys() - parts.keys():
        raise SystemExit(f"--only: there is no {min(unknown)}")
    if not wanted:
        return known
    return {n: one for n, one in known.items() if {n, n.partition("-")[0]} & wanted}
