"""Grids of latents to visit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddpm_jax.diffusion.samplers import grids

LENGTHS = st.integers(2, 300).flatmap(
    lambda num_steps: st.tuples(st.just(num_steps), st.integers(2, num_steps))
)


@pytest.mark.parametrize("name", grids.GRIDS)
@given(lengths=LENGTHS)
def test_a_grid_increases_from_end_to_end(name, lengths):
    num_steps, num_visited = lengths
    grid = grids.GRIDS[name](num_steps, num_visited)
    assert grid.shape == (num_visited,)
    assert grid[0] == 0 and grid[-1] == num_steps - 1
    assert np.all(np.diff(grid) >= 1)
    if num_visited == num_steps:
        np.testing.assert_array_equal(grid, np.arange(num_steps))


def test_uniform_grid_is_even():
    np.testing.assert_array_equal(grids.uniform(1000, 4), [0, 333, 666, 999])
    gaps = np.diff(grids.uniform(1000, 51))
    assert gaps.min() == 19 and gaps.max() == 20


def test_quadratic_grid_follows_squares_where_they_are_apart():
    np.testing.assert_array_equal(grids.quadratic(101, 6), [0, 4, 16, 36, 64, 100])
    # Squares 0, .28, 1.1, 2.5, 4.4, 6.9, 10: the first two collide.
    np.testing.assert_array_equal(grids.quadratic(11, 7), [0, 1, 2, 3, 4, 7, 10])


@pytest.mark.parametrize("name", grids.GRIDS)
@pytest.mark.parametrize("num_visited", [-1, 0, 1, 1001])
def test_impossible_grids(name, num_visited):
    with pytest.raises(
        ValueError, match=rf"sample.num_steps = {num_visited}: .* 2 to 1000\."
    ):
        grids.GRIDS[name](1000, num_visited)


def test_times_descend_from_one_to_zero():
    times = grids.times(grids.uniform(1000, 4), 1000)
    np.testing.assert_array_equal(times, np.array([999, 666, 333, 0], np.float32) / 999)
    assert times.dtype == jnp.float32
    with jax.enable_x64(True):
        assert grids.times(grids.uniform(10, 4), 10).dtype == jnp.float64
