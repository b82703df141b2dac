"""Strict broadcasting, eight simulated devices, little optimisation, a compilation cache."""

import gc
import logging

from tests import quickly

quickly.set_environment()

import hypothesis  # noqa: E402
import jax  # noqa: E402
import pytest  # noqa: E402
from absl import logging as absl_logging  # noqa: E402

# An example that compiles takes as long as the machine is busy.
hypothesis.settings.register_profile("no_deadline", deadline=None)
hypothesis.settings.load_profile("no_deadline")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="module", autouse=True)
def collected():
    """Garbage is looked for once, after a module, and not again in what JAX keeps of it.

    A collection visits every object that there is; those that come by themselves took a
    tenth of the tests' time.
    """
    gc.disable()
    yield
    gc.collect()
    gc.freeze()


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


def trained(factory, name, **changes):
    """A workdir of a few steps of a network of one convolution, on one device."""
    # Not earlier: what is imported before pytest is configured has no types checked.
    from ddpm_jax import train
    from tests import tiny

    path = factory.mktemp(name)
    make = tiny.sorting if name == "sorter" else tiny.config
    with pytest.MonkeyPatch.context() as patch:
        tiny.use_small_network(patch)
        tiny.use_one_device(patch)
        assert train.run(make(**changes), path) == 0
    return path


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory):
    """A workdir with a checkpoint of step 2."""
    return trained(tmp_path_factory, "plain", training__num_steps=2)


@pytest.fixture(scope="session")
def told_run(tmp_path_factory):
    """The same of a model that is told classes, with checkpoints of steps 2 and 4."""
    from tests.sampling import guided

    return trained(tmp_path_factory, "told", **guided.LEARNING, training__num_steps=4)


@pytest.fixture(scope="session")
def sorter_run(tmp_path_factory):
    """The same of a classifier, with checkpoints of steps 1 and 2."""
    return trained(tmp_path_factory, "sorter", training__checkpoint_every=1)
