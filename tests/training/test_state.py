"""The state before the first step: all that a run must remember, each in its own buffer."""

import jax
import numpy as np
import optax

from ddpm_jax.training import state
from tests.training import toy


def test_every_average_starts_at_the_parameters_and_all_counts_at_zero():
    params = toy.first_params()
    first = state.create(params, optax.adam(1.0), ("0.9", "0.5"), {"seen": np.ones(2)})
    assert first.ema_params.keys() == {"0.9", "0.5"}
    for average in first.ema_params.values():
        jax.tree.map(np.testing.assert_array_equal, average, params)
    assert (first.step, first.skipped, first.skipped_in_a_row) == (0, 0, 0)
    assert jax.tree.structure(first.opt_state) == jax.tree.structure(
        optax.adam(1.0).init(params)
    )
    np.testing.assert_array_equal(first.time_history["seen"], 1.0)


def test_sums_begin_at_zero_with_a_place_for_each_quarter():
    window = state.Window.empty()
    assert all(np.all(np.asarray(leaf) == 0) for leaf in jax.tree.leaves(window))
    assert window.quarter_loss.shape == window.quarter_count.shape == (4,)
    assert window.num_steps.dtype == np.int32


def test_no_two_of_its_arrays_share_a_buffer():
    first = jax.jit(
        lambda: state.create(toy.first_params(), optax.adam(1.0), ("0.9",))
    )()
    state_without_jit = state.create(toy.first_params(), optax.adam(1.0), ("0.9",))
    for made in (first, state_without_jit):
        places = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(made)]
        assert len(set(places)) == len(places)
