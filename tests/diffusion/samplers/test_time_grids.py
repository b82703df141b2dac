"""Grids of latents to visit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import time_grids


def log_snr(t):
    """A curve that is steep at its start, so that its times crowd there."""
    return 9.0 - 18.0 * t * (1.5 - 0.5 * t)


def latents(name, num_steps, num_visited):
    """The indices that a grid visits, increasing."""
    t = np.asarray(time_grids.TIME_GRIDS[name].default(log_snr, num_steps, num_visited))
    k = t[::-1] * (num_steps - 1)
    np.testing.assert_allclose(k, np.rint(k), atol=1e-4)
    return np.rint(k).astype(int)


# Those that are told how many times to visit.
COUNTED = [name for name in time_grids.TIME_GRIDS if name != "explicit"]
LENGTHS = st.integers(2, 300).flatmap(
    lambda num_steps: st.tuples(st.just(num_steps), st.integers(2, num_steps))
)


# The log SNR grid compiles anew for each length: too slow for hundreds of them.
@pytest.mark.parametrize("name", ["uniform", "quadratic"])
@given(lengths=LENGTHS)
def test_a_grid_increases_from_end_to_end(name, lengths):
    num_steps, num_visited = lengths
    grid = latents(name, num_steps, num_visited)
    assert grid.shape == (num_visited,)
    assert grid[0] == 0 and grid[-1] == num_steps - 1
    assert np.all(np.diff(grid) >= 1)
    if num_visited == num_steps:
        np.testing.assert_array_equal(grid, np.arange(num_steps))


def test_uniform_grid_is_even():
    np.testing.assert_array_equal(latents("uniform", 1000, 4), [0, 333, 666, 999])
    gaps = np.diff(latents("uniform", 1000, 51))
    assert gaps.min() == 19 and gaps.max() == 20


def test_quadratic_grid_follows_squares_where_they_are_apart():
    np.testing.assert_array_equal(latents("quadratic", 101, 6), [0, 4, 16, 36, 64, 100])
    # Squares 0, .28, 1.1, 2.5, 4.4, 6.9, 10: the first two collide.
    np.testing.assert_array_equal(latents("quadratic", 11, 7), [0, 1, 2, 3, 4, 7, 10])


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("num_visited", [-1, 0, 1, 1001])
def test_impossible_grids(name, num_visited):
    with pytest.raises(
        ValueError, match=rf"num_visited = {num_visited}: .* 2 to 1000\."
    ):
        time_grids.TIME_GRIDS[name].default(log_snr, 1000, num_visited)


def test_times_descend_from_one_to_zero():
    times = time_grids.uniform(log_snr, 1000, 4)
    np.testing.assert_array_equal(times, np.array([999, 666, 333, 0], np.float32) / 999)
    assert times.dtype == jnp.float32
    with jax.enable_x64(True):
        assert time_grids.uniform(log_snr, 10, 4).dtype == jnp.float64


@pytest.mark.parametrize("name", COUNTED)
@pytest.mark.parametrize("num_visited", [2, 3, 50])
def test_in_continuous_time_any_number_will_do(name, num_visited):
    t = np.asarray(
        time_grids.TIME_GRIDS[name].default(log_snr, CONTINUOUS, num_visited)
    )
    assert t.shape == (num_visited,) and t[0] == 1.0 and t[-1] == 0.0
    assert np.all(np.diff(t) < 0.0)
    with pytest.raises(
        ValueError, match=r"num_visited = 1: the model allows 2 or more"
    ):
        time_grids.TIME_GRIDS[name].default(log_snr, CONTINUOUS, 1)


def test_log_snr_grid_is_even_in_log_snr():
    t = time_grids.by_log_snr(log_snr, CONTINUOUS, 7)
    np.testing.assert_allclose(log_snr(t), np.linspace(-9.0, 9.0, 7), atol=1e-4)
    # Of a chain, the nearest latents.
    got = latents("log_snr", 1000, 7)
    np.testing.assert_allclose(got, np.asarray(t)[::-1] * 999, atol=0.51)
    # Where they are less than one apart, each is another one all the same.
    for num_visited in (2, 9, 10):
        crowded = latents("log_snr", 10, num_visited)
        assert crowded[0] == 0 and crowded[-1] == 9 and np.all(np.diff(crowded) >= 1)


@pytest.mark.parametrize("rho", [1.0, 7.0])
def test_karras_grid_is_even_in_a_root_of_the_noise_scale(rho):
    t = time_grids.karras(log_snr, CONTINUOUS, 9, rho)
    root = np.exp(-0.5 * np.asarray(log_snr(t))) ** (1.0 / rho)
    np.testing.assert_allclose(np.diff(root), (root[-1] - root[0]) / 8, rtol=2e-4)
    got = latents("karras", 1000, 9)
    nearest = np.asarray(time_grids.karras(log_snr, CONTINUOUS, 9))[::-1] * 999
    # Where several are nearest to one latent, they move apart.
    np.testing.assert_allclose(got[3:], nearest[3:], atol=0.51)
    assert np.all(np.diff(got) >= 1)


def test_karras_tends_to_the_log_snr_grid():
    with jax.enable_x64(True):
        large = time_grids.karras(log_snr, CONTINUOUS, 9, 1000.0)
        even = time_grids.by_log_snr(log_snr, CONTINUOUS, 9)
        np.testing.assert_allclose(large, even, atol=2e-3)


@pytest.mark.parametrize("rho", [0.5, -1.0, 1e4, float("inf"), float("nan")])
def test_impossible_rho(rho):
    with pytest.raises(ValueError, match=rf"rho = {rho}: write a number from 1 to"):
        time_grids.karras(log_snr, CONTINUOUS, 5, rho)


def test_listed_times_are_taken_as_they_are():
    got = time_grids.explicit(log_snr, 1000, 7, (981, 481, 1))
    np.testing.assert_allclose(got, np.array([981, 481, 1]) / 999, rtol=1e-6)
    got = time_grids.explicit(log_snr, CONTINUOUS, 7, (1.0, 0.25, 0))
    np.testing.assert_array_equal(got, [1.0, 0.25, 0.0])
    assert time_grids.explicit(log_snr, 10, 7, (9,)).shape == (1,)


@pytest.mark.parametrize(
    ("num_steps", "times", "message"),
    [
        (10, (), r"times = \(\) do not decrease: write some from 9 down to 0"),
        (10, (3, 3, 0), "do not decrease"),
        (10, (0, 9), "do not decrease"),
        (CONTINUOUS, (1.0, float("nan"), 0.0), "do not decrease|are not all"),
        (10, (10, 0), "are not all from 0 to 9, where the model is"),
        (CONTINUOUS, (2, 0), "are not all from 0 to 1, where the model is"),
        (CONTINUOUS, (1.0, -0.5), "are not all from 0 to 1"),
        (10, (4.5, 0), "write whole numbers, its indices"),
    ],
)
def test_impossible_lists(num_steps, times, message):
    with pytest.raises(ValueError, match=message):
        time_grids.explicit(log_snr, num_steps, 7, times)
