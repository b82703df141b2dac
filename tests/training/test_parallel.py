import functools

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from ddpm_jax.core import sharding
from ddpm_jax.diffusion.objectives import loss_history, time_sampling
from ddpm_jax.training import parallel
from tests import later
from tests.training import toy
from tests.training.test_step import assert_same

NUM_STEPS = 20
GRID = time_sampling.Grid(num_steps=20, first=0)
SAMPLINGS = {
    "uniform": {"time_sampler": GRID, "is_stratified": False},
    "stratified": {"time_sampler": GRID},
    "importance": {"time_sampler": toy.BY_LOSS},
    "continuous importance": {
        "time_sampler": time_sampling.Continuous(
            low=-1.0, high=0.0, by_loss=True, is_stratified=True
        ),
    },
}


def first_history(changes):
    sampler = changes.get("time_sampler", GRID)
    if sampler is toy.BY_LOSS:  # One that fills up within these steps.
        return loss_history.init_history(20, length=2)
    return sampler.init()


def trained(mode, fsdp, **changes):
    """The toy after 20 steps, as a tree of global arrays, and the traces it took."""
    traces = []

    def loss(params, batch, draws):
        traces.append(1)
        return toy.loss_fn(params, batch, draws)

    axis = parallel.PMAP_AXIS if mode == "pmap" else None
    mesh = sharding.make_mesh(fsdp)
    training = parallel.MODES[mode].default(
        mesh,
        lambda: toy.init(first_history(changes)),
        toy.make_step(axis, loss, **changes),
    )
    state = training.create()
    for n in range(NUM_STEPS):
        state = training.step(state, training.put(toy.batch(n)))
    assert len(traces) == 1
    return training, training.to_global(state)


def alone(**changes):
    """The same on one device, without a mesh."""
    state = toy.init(first_history(changes))
    step = jax.jit(toy.make_step(**changes))
    for n in range(NUM_STEPS):
        state = step(state, toy.batch(n))
    return state


@functools.cache
def alone_by(sampling):
    return alone(**SAMPLINGS[sampling])


# Parameters over groups of devices, and on each whole; of the rest one of each kind.
TOPOLOGIES = (("jit", 1), ("jit", 4), ("pmap", 1))
LATER = [("jit", 1, name) for name in SAMPLINGS if name != "stratified"]
LATER += [("pmap", 1, "stratified"), ("jit", 4, "uniform")]


@pytest.mark.parametrize(
    "case", later.all_but([(*t, s) for s in SAMPLINGS for t in TOPOLOGIES], LATER)
)
def test_eight_devices_do_what_one_does(case):
    assert jax.device_count() == 8
    mode, fsdp, sampling = case
    _, ours = trained(mode, fsdp, **SAMPLINGS[sampling])
    assert_same(ours, alone_by(sampling), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode, fsdp", [("jit", 4), ("pmap", 1)])
def test_microbatches_on_eight_devices(mode, fsdp):
    _, ours = trained(mode, fsdp, num_microbatches=2)
    assert_same(ours, alone(num_microbatches=2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode, fsdp", [("jit", 1), ("jit", 4), ("pmap", 1)])
def test_a_state_goes_through_global_arrays_unchanged(mode, fsdp):
    training, state = trained(mode, fsdp)
    before = jax.device_get(state)
    again = training.to_global(training.from_global(state))
    assert_same(again, before, rtol=0)
    for a, wanted in zip(
        jax.tree.leaves(again), jax.tree.leaves(training.abstract), strict=True
    ):
        assert a.shape == wanted.shape and a.dtype == wanted.dtype


def test_large_arrays_are_cut_along_their_largest_dividing_dimension():
    mesh = sharding.make_mesh(4)
    shapes = {
        "tall": jax.ShapeDtypeStruct((64, 32), jnp.float32),
        "odd": jax.ShapeDtypeStruct((63, 33), jnp.float32),
        "wide": jax.ShapeDtypeStruct((3, 3, 64, 512), jnp.float32),
        "one_way": jax.ShapeDtypeStruct((999, 4), jnp.float32),
        "small": jax.ShapeDtypeStruct((8, 8), jnp.float32),
        "number": jax.ShapeDtypeStruct((), jnp.int32),
    }
    found = {k: s.spec for k, s in parallel.state_shardings(mesh, shapes).items()}
    assert found == {
        "tall": PartitionSpec("fsdp", None),
        "odd": PartitionSpec(),
        "wide": PartitionSpec(None, None, None, "fsdp"),
        "one_way": PartitionSpec(None, "fsdp"),
        "small": PartitionSpec(),
        "number": PartitionSpec(),
    }
