"""Strata by a pilot pass, against all others and against draws made with them."""

import itertools

import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood import strata

NUM_BINS = 16


def pilot_times(rng: np.random.Generator, num: int) -> np.ndarray:
    """Two mirrored pairs in each of NUM_BINS parts of [0, 1], in no order."""
    v = rng.random((NUM_BINS, 2, num))
    places = np.stack([v, 1 - v], axis=2).reshape(NUM_BINS, 4, num)
    t = (np.arange(NUM_BINS)[:, None, None] + places) / NUM_BINS
    return rng.permuted(t.reshape(-1, num), axis=0)


def loss(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """Noise and a curve that bends most at the end, each example's of its own height."""
    height = rng.uniform(0.5, 2.0, t.shape[-1])
    return height * np.exp(4 * t) + (0.1 + t) * rng.standard_normal(t.shape)


def variance_with(edges: np.ndarray, num: int = 20_000) -> float:
    """Of the estimate by one mirrored pair a stratum."""
    rng = np.random.default_rng(7)
    v, total = rng.random((len(edges) - 1, num)), np.zeros(num)
    for a, b, u in zip(edges[:-1], edges[1:], v, strict=True):
        t = np.stack([a + u * (b - a), b - u * (b - a)])
        # One example, again and again.
        values = np.exp(4 * t) + (0.1 + t) * rng.standard_normal(t.shape)
        total += (b - a) * values.mean(axis=0)
    return total.var()


@pytest.mark.parametrize("num_strata", [1, 2, 4, 16])
def test_strata_vary_less_than_even_ones(num_strata):
    rng = np.random.default_rng(0)
    t = pilot_times(rng, 200)
    edges = strata.edges(t, loss(rng, t), num_strata)
    assert edges[0] == 0.0 and edges[-1] == 1.0
    assert len(edges) == num_strata + 1 and np.all(np.diff(edges) > 0)
    even = np.linspace(0, 1, num_strata + 1)
    if num_strata in (1, 16):
        np.testing.assert_array_equal(edges, even)
    else:
        assert variance_with(edges) < 0.6 * variance_with(even)


def test_no_other_borders_of_the_pilot_are_better():
    rng = np.random.default_rng(1)
    t = pilot_times(rng, 500)
    edges = strata.edges(t, loss(rng, t), 2)
    others = {k: variance_with(np.array([0, k / 16, 1])) for k in range(1, 16)}
    assert variance_with(edges) < 1.1 * min(others.values())


def test_where_all_is_alike_strata_are_even():
    rng = np.random.default_rng(2)
    t = pilot_times(rng, 5000)
    edges = strata.edges(t, rng.standard_normal(t.shape), 4)
    widths = [b - a for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(widths, 0.25, atol=1 / 16 + 1e-9)


def test_a_stretch_costs_the_variance_of_its_pairs_as_numpy_has_it():
    """Of the mean of two mirrored draws, with one degree of freedom less than pairs."""
    values = np.random.default_rng(3).standard_normal((6, 7))
    pairs = [(values[i] + values[5 - i]) / 2 for i in range(3)]
    expected = np.mean([np.var(own, ddof=1) for own in np.transpose(pairs)])
    np.testing.assert_allclose(strata._variance_of_pairs(values), expected, rtol=1e-12)
