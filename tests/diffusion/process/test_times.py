"""Times: where random numbers and a chain's grid fall."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process import times

# 49 and 98 are sizes at which arange with a step of 1/B has one element too many.
BATCH_SIZES = [1, 2, 7, 49, 98, 128, 1000]


def test_uniform_is_each_examples_own():
    keys = jax.random.split(jax.random.key(0), 5000)
    u = times.uniform(keys)
    assert u.shape == (5000,) and np.all(u >= 0.0) and np.all(u < 1.0)
    np.testing.assert_array_equal(times.uniform(keys[10:13]), u[10:13])
    # Kolmogorov's statistic is above 2 / sqrt(n) once in 1500 seeds.
    distance = np.max(np.abs(np.sort(u) - (np.arange(5000) + 0.5) / 5000))
    assert distance < 2.0 / np.sqrt(5000)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_stratified_has_one_time_in_each_stratum(batch_size):
    positions = jnp.arange(batch_size)
    u = np.asarray(times.stratified(jax.random.key(1), positions, batch_size))
    assert u.shape == (batch_size,) and np.all(u < 1.0)
    np.testing.assert_array_equal(np.floor(u * batch_size), positions)
    np.testing.assert_allclose(np.diff(u), 1.0 / batch_size, rtol=1e-3)


def test_strata_are_of_the_global_batch():
    key, positions = jax.random.key(2), jnp.arange(12)
    whole = times.stratified(key, positions, 12)
    parts = [times.stratified(key, part, 12) for part in jnp.split(positions, 3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_stratified_is_uniform_over_keys():
    keys = jax.random.split(jax.random.key(3), 4000)
    last = jax.vmap(lambda key: times.stratified(key, jnp.array([3]), 4)[0])(keys)
    # Five standard errors of the mean of 4000 uniforms on [3/4, 1].
    assert abs(last.mean() - 7.0 / 8.0) < 5.0 * 0.25 / np.sqrt(12 * 4000)


def test_stratified_never_reaches_one(monkeypatch):
    largest = jnp.nextafter(jnp.float32(1.0), jnp.float32(0.0))
    monkeypatch.setattr(jax.random, "uniform", lambda key: largest)
    for batch_size in (1024, 2048, 1 << 20):
        u = times.stratified(jax.random.key(0), jnp.array([batch_size - 1]), batch_size)
        assert u[0] < 1.0


def test_grid_is_float64_where_that_is_enabled():
    with jax.enable_x64(True):
        t = times.grid_time(jnp.arange(8, dtype=jnp.int32), 8)
        assert t.dtype == jnp.float64
        np.testing.assert_array_equal(t, np.arange(8) / 7)


def test_a_chain_has_two_latents_or_more():
    with pytest.raises(ValueError, match=r"num_steps = 1: .* 2 latents"):
        times.grid_time(jnp.array([0]), 1)


def test_covering_is_even_on_either_side_and_in_the_square():
    for start in (0, 1_000_000, 2**31 - 2000):
        number = jnp.arange(start, start + 1000, dtype=jnp.int32)
        places = np.asarray(times.low_discrepancy(number), float)
        assert places.min() >= 0.0 and places.max() < 1.0
        for side in places:
            # No stretch of [0, 1) has 4 more or fewer than its share.
            excess = np.sort(side) * 1000 - np.arange(1000)
            assert np.ptp(excess) < 8
        counts, *_ = np.histogram2d(*places, bins=10, range=[[0, 1], [0, 1]])
        assert counts.min() >= 6 and counts.max() <= 14


def test_covering_keeps_its_digits_at_large_numbers():
    number = 123_456_789
    ratio = np.longdouble("1.3247179572447460259609088544780973")
    expected = np.array([number / ratio, number / ratio**2]) % 1
    got = times.low_discrepancy(jnp.array([number]))[:, 0]
    # The step is rounded to 2^-32, which 10^8 steps make 2^-5 of; far less than a stratum.
    assert np.all(np.abs(np.asarray(got, np.longdouble) - expected) < 0.04)
