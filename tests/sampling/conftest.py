"""Models of the small runs, as sampling finds them."""

import pytest

from ddpm_jax.runs import restore
from tests import tiny
from tests.sampling import guided


@pytest.fixture(scope="module")
def told(told_run, small_network, one_device):
    """The model that is told classes, at its last step."""
    return restore.load(guided.config(), told_run, step=-1, weights="ema")


@pytest.fixture(scope="module")
def plain(plain_run, small_network, one_device):
    """The model that is told none."""
    return restore.load(tiny.config(), plain_run, step=-1, weights="ema")
