"""All faults, by the part they are in."""

from collections.abc import Mapping

from tests.faults import calls, damaged, disk, memory, pictures, signals
from tests.faults.fault import Fault

PARTS: Mapping[str, tuple[Fault, ...]] = {
    "signals": signals.FAULTS,
    "calls": calls.FAULTS,
    "disk": disk.FAULTS,
    "memory": memory.FAULTS,
    "damaged": damaged.FAULTS,
    "pictures": pictures.FAULTS,
}


def numbered() -> dict[str, Fault]:
    """Every fault by its name: the part, and a number in it from 1 on."""
    return {
        f"{part}-{number}": fault
        for part, faults in PARTS.items()
        for number, fault in enumerate(faults, 1)
    }


def chosen(only: str) -> dict[str, Fault]:
    """The faults of some parts or names by commas; "": all.

    Raises:
      SystemExit: there is no such part or name.
    """
    known = numbered()
    wanted = set(filter(None, only.split(",")))
    if unknown := wanted - known.keys() - PARTS.keys():
        raise SystemExit(f"--only: there is no {min(unknown)}")
    if not wanted:
        return known
    return {n: f for n, f in known.items() if {n, n.partition("-")[0]} & wanted}
