"""The faults of the campaign can still be injected: what each of them changes is there."""

import importlib
import re

import pytest

from tests.faults import every, memory, signals
from tests.faults.fault import STARTS

EVERY = every.chosen("")


def test_there_are_enough_and_each_says_something():
    assert len(EVERY) >= 200
    texts = {(f.command, f.start, f.what, f.more) for f in EVERY.values()}
    assert len(texts) == len(EVERY)
    for fault in EVERY.values():
        assert fault.start in STARTS
        assert fault.around or fault.inside or fault.more
        assert re.compile(fault.says) and set(fault.statuses) <= {0, 1, 2, 130, 143}


def targets():
    phases = [phase[1] for known in signals.PHASES.values() for phase in known]
    of_memory = [row[3] for row in (*memory.DEVICE, *memory.MACHINE)]
    return sorted({*phases, *of_memory})


@pytest.mark.parametrize("target", targets())
def test_a_function_that_meets_a_fault_is_there(target):
    module, _, name = target.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)


def test_parts_and_names_choose_and_others_are_refused():
    assert every.chosen("") == EVERY
    assert list(every.chosen("memory-2,memory-1")) == ["memory-1", "memory-2"]
    with pytest.raises(SystemExit, match="there is no flood"):
        every.chosen("flood")
