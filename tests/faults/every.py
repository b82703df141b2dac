"""All faults, by the part they are in."""

from collections.abc import Mapping

from tests import parts
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


def chosen(only: str) -> dict[str, Fault]:
    """The faults of some parts or names by commas, as `parts.chosen` takes them; "": all."""
    return parts.chosen(PARTS, only)
