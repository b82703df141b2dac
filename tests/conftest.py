"""Strict broadcasting, eight simulated devices, little optimisation, a compilation cache."""

import logging
import os
import sys

from tests import quickly

# Before JAX is first imported; processes that tests start inherit it. Training on fewer
# devices takes some of these.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + f" {quickly.FLAGS} --xla_force_host_platform_device_count=8"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(quickly.CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
if sys.dont_write_bytecode:
    # Else each process compiles TensorFlow's thousand files anew, in five seconds.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.setdefault("PYTHONPYCACHEPREFIX", str(quickly.CACHE / "bytecode"))

import hypothesis
import jax
import pytest
from absl import logging as absl_logging

# An example that compiles takes as long as the machine is busy.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="module")
def small_network():
    """Every network that a config names is one that compiles at once."""
    # Not earlier: what is imported before pytest is configured has no types checked.
    from tests import tiny

    with pytest.MonkeyPatch.context() as patch:
        tiny.use_small_network(patch)
        yield


@pytest.fixture(scope="module")
def one_device():
    """Runs take the first of the simulated devices alone."""
    # Not earlier: what is imported before pytest is configured has no types checked.
    from tests import tiny

    with pytest.MonkeyPatch.context() as patch:
        tiny.use_one_device(patch)
        yield


@pytest.fixture(scope="module")
def log_as_before():
    """Undoes at the end what runs do to the log of their process."""
    root, absl = logging.getLogger(), absl_logging.get_absl_logger()
    before = root.handlers[:], root.level, absl.level, absl.filters[:]
    yield
    root.handlers[:], absl.filters[:] = before[0], before[3]
    root.setLevel(before[1])
    absl.setLevel(before[2])
