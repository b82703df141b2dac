"""Chains of conditional Gaussians: closed forms, and a simulation of the same chain."""

import numpy as np
import pytest

from ddpm_jax.diffusion.process import schedules
from ddpm_jax.lab import contraction, densities, divergences, gaussian_fits, operators
from ddpm_jax.lab.chains import Chain
from tests.lab.known import GRID, ROUGH, SMOOTH, gaussian


def test_a_fit_keeps_means_and_variances():
    kernel = operators.reverse_kernel(ROUGH, 0.7)
    fit = gaussian_fits.fitted(kernel)
    # Near the ends the grid cuts Gaussians.
    inner = np.abs(GRID.points) < 3.0
    np.testing.assert_allclose(fit.means[inner], kernel.means[inner], atol=1e-9)
    np.testing.assert_allclose(fit.variances[inner], kernel.variances[inner], rtol=1e-6)
    np.testing.assert_allclose(fit.matrix.sum(axis=0), 1.0, atol=1e-13)
    wider = gaussian_fits.fitted(kernel, 0.3)
    np.testing.assert_allclose(wider.means[inner], kernel.means[inner], atol=1e-9)
    np.testing.assert_allclose(wider.variances[inner], 0.3, rtol=1e-6)


def test_gaussian_data_are_fitted_exactly():
    chain = Chain.of(gaussian(0.3, 0.4), schedules.cosine(-9.0, 4.0).log_snr, 6)
    restored = gaussian_fits.restored(chain, chain.marginals[-1])
    np.testing.assert_allclose(restored.values, chain.density.values, atol=1e-10)


def test_no_other_gaussian_is_nearer_in_kl():
    kernel = operators.reverse_kernel(SMOOTH, 0.5)
    column = kernel.conditional(0.3)
    place = np.argmin(np.abs(GRID.points - 0.3))
    mean, variance = kernel.means[place], kernel.variances[place]

    def apart(mean, variance):
        other = densities.gaussian_mixture(GRID, [mean], [variance**0.5])
        return divergences.kl(column, other)

    best = apart(mean, variance)
    for other in (
        (mean + 0.02, variance),
        (mean - 0.02, variance),
        (mean, 1.05 * variance),
        (mean, 0.95 * variance),
    ):
        assert apart(*other) > best


def test_the_restored_density_is_that_of_a_simulation():
    chain = Chain.of(SMOOTH, schedules.cosine(-8.0, 3.0).log_snr, 3)
    restored = gaussian_fits.restored(chain)
    generator = np.random.default_rng(5)
    z = generator.standard_normal(200_000)
    for step in (2, 1, 0):
        kernel = chain.reverse_kernel(step)
        mean = np.interp(z, GRID.points, kernel.means)
        variance = np.interp(z, GRID.points, kernel.variances)
        z = mean + np.sqrt(variance) * generator.standard_normal(z.size)
    edges = np.linspace(-2.5, 2.5, 26)
    counts, _ = np.histogram(z, edges)
    cumulated = np.interp(edges, GRID.points, restored.cdf)
    expected = np.diff(cumulated) * z.size
    # False alarms: one in ten thousand seeds a bin; and the interpolation of the grid.
    assert np.all(np.abs(counts - expected) < 4.0 * np.sqrt(expected) + 60.0)
    # A Gaussian of the data's moments would not pass.
    plain = np.diff(np.interp(edges, GRID.points, gaussian(SMOOTH.variance).cdf))
    assert np.any(np.abs(counts - plain * z.size) > 4.0 * np.sqrt(expected) + 60.0)


@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_the_loss_falls_as_alpha_rises(density):
    lost = []
    for alpha in (0.7, 0.9, 0.97, 0.99):
        kernel = operators.reverse_kernel(density, alpha)
        after = operators.forward_kernel(GRID, alpha).apply(density)
        lost.append(divergences.js(gaussian_fits.fitted(kernel).apply(after), density))
    assert lost == sorted(lost, reverse=True)


def test_small_steps_repeated_restore_more_than_one_large():
    """Ten steps of 0.98 against one of their product, with noise to the end of either."""
    small = Chain(SMOOTH, np.full(10, 0.98))
    large = Chain(SMOOTH, np.array([0.98**10]))
    lost = [
        divergences.js(gaussian_fits.restored(c, c.marginals[-1]), SMOOTH)
        for c in (small, large)
    ]
    assert lost[0] < 0.3 * lost[1]


def test_a_fit_iterated_stays_a_density():
    kernel = gaussian_fits.fitted(operators.reverse_kernel(ROUGH, 0.9))
    last = contraction.iterated(kernel, SMOOTH, 50)[-1]
    assert last.masses.sum() == pytest.approx(1.0, abs=1e-12)
