"""Parameters of a test, of which some wait for `make test-long`."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def all_but(cases: Iterable[Any], later: Collection[Any]) -> list[Any]:
    """The cases, those in `later` with the mark of tests that take long."""
    return [
        pytest.param(case, marks=pytest.mark.long) if case in later else case
        for case in cases
    ]
