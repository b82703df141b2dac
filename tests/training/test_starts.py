"""What a run takes of another: arrays by arrays, of two states of a small model."""

import dataclasses

import jax
import numpy as np

from ddpm_jax.training import starts
from tests.training import toy


def states():
    ours = toy.init()
    moved = jax.tree.map(lambda a: a + 1, ours)
    return ours, moved, jax.tree.map(lambda a: a + 2, ours.params)


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_network_begins_a_run_of_its_own():
    ours, theirs, weights = states()
    made = starts.STARTS["network"].default(ours, theirs, weights)
    for params in (made.params, *made.ema_params.values()):
        same(params["net"], weights["net"])
        rest = {name: tree for name, tree in params.items() if name != "net"}
        same(rest, {name: tree for name, tree in ours.params.items() if name != "net"})
    same(
        dataclasses.replace(made, params=ours.params, ema_params=ours.ema_params), ours
    )


def test_a_state_goes_on_whole():
    ours, theirs, weights = states()
    same(starts.STARTS["state"].default(ours, theirs, weights), theirs)


def test_a_copy_is_placed_as_the_state_that_it_takes_the_place_of():
    ours, theirs, _ = states()
    made = starts.placed(jax.tree.map(np.asarray, theirs), ours)
    same(made, theirs)
    for a, b in zip(jax.tree.leaves(made), jax.tree.leaves(ours), strict=True):
        assert a.sharding == b.sharding and a is not b
