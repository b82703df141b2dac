"""Strata by a pilot pass, against what a known variance makes best."""

import itertools

import numpy as np

from ddpm_jax.diffusion import allocation


def test_edges_make_width_times_deviation_equal():
    t = (np.arange(1000) + 0.5) / 1000
    edges = allocation.edges((0.1 + t) ** 4, 8)
    assert edges[0] == 0.0 and edges[-1] == 1.0 and np.all(np.diff(edges) > 0)
    # A tenth of the strata is even: the density is 0.9 s / S + 0.1.
    s = (0.1 + t) ** 2
    density = 0.9 * s / s.mean() + 0.1
    mass = [density[(t > a) & (t <= b)].sum() for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(np.array(mass) / density.sum(), 1 / 8, atol=2e-3)


def test_edges_are_even_where_nothing_varies():
    for variance in (np.zeros(16), np.ones(16)):
        np.testing.assert_allclose(
            allocation.edges(variance, 4), [0, 0.25, 0.5, 0.75, 1], atol=1e-12
        )


def test_edges_increase_however_uneven_the_pilot():
    variance = np.zeros(16)
    variance[3] = 1e30
    assert np.all(np.diff(allocation.edges(variance, 64)) > 0)


def test_variance_by_stratum_is_that_of_single_draws():
    """Independent draws of known deviation: pairs of mirrored ones, and pairs of one."""
    rng = np.random.default_rng(0)
    deviation = np.array([0.5, 1.0, 3.0])
    for mirrored in (1, 2):
        draws = rng.standard_normal((3, 2, mirrored, 20_000))
        draws *= deviation[:, None, None, None]
        found = allocation.variance_by_stratum(draws.reshape(-1, 20_000), 3)
        np.testing.assert_allclose(found, 2 * deviation**2 / mirrored, rtol=0.05)
