"""The exact model of a density: the framework's mixture, closed forms, its own bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process import schedules
from ddpm_jax.lab import densities, divergences, exact, gaussian_fits, operators
from ddpm_jax.lab.chains import Chain
from ddpm_jax.lab.densities import Grid
from tests.diffusion import closed_form
from tests.lab.known import GRID, ROUGH, SMOOTH, gaussian

LOG_SNR = schedules.linear_log_snr(-6.0, 5.0).log_snr
FINE = Grid(-5.0, 5.0, 1001)


def test_the_denoiser_is_that_of_the_mixture_in_closed_form():
    """Of a mixture on a line, the second axis of the plane a Gaussian of its own."""
    with jax.enable_x64(True):
        q = densities.gaussian_mixture(GRID, [-0.9, 0.8], [0.4, 0.4], [0.6, 0.4])
        known = closed_form.Mixture(
            means=np.array([[-0.9, 0.0], [0.8, 0.0]]),
            stds=np.array([0.4, 0.4]),
            weights=np.array([0.6, 0.4]),
        ).diffusion(LOG_SNR)
        t = jnp.linspace(0.0, 1.0, 7)
        z = jnp.asarray(np.random.default_rng(0).standard_normal((7, 1, 2, 1)))
        expected = known.denoise(z, t)
        found = exact.diffusion(q, LOG_SNR).denoise(z, t)
        np.testing.assert_allclose(found.x[:, :, 0], expected.x[:, :, 0], atol=1e-9)
        np.testing.assert_allclose(found.eps[:, :, 0], expected.eps[:, :, 0], atol=1e-8)


def test_atoms_are_the_framework_s_discrete_data():
    probabilities = np.array([0.2, 0.5, 0.3])
    values = np.array([-1.0, 0.0, 1.0])
    with jax.enable_x64(True):
        t = jnp.linspace(0.0, 1.0, 3)
        z = jnp.asarray(np.random.default_rng(1).standard_normal((3, 2, 2, 1)))
        found = exact.of_atoms(values[:, None], probabilities, LOG_SNR).denoise(z, t)
        known = closed_form.discrete_data(LOG_SNR, probabilities).denoise(z, t)
        np.testing.assert_allclose(found.x, known.x, atol=1e-12)
        np.testing.assert_allclose(found.eps, known.eps, atol=1e-12)


def test_the_density_of_latents_is_the_operators():
    log_snr = 1.0
    alpha_bar = 1.0 / (1.0 + np.exp(-log_snr))
    by_kernel = operators.forward_kernel(GRID, alpha_bar).apply(ROUGH)
    found = np.exp(exact.log_density(ROUGH, GRID.points, log_snr))
    np.testing.assert_allclose(found, by_kernel.values, atol=1e-8)


def test_the_score_is_the_slope_of_the_log_density():
    z, step = np.linspace(-2.0, 2.0, 9), 1e-5
    slope = (
        exact.log_density(ROUGH, z + step, 2.0)
        - exact.log_density(ROUGH, z - step, 2.0)
    ) / (2.0 * step)
    np.testing.assert_allclose(exact.score(ROUGH, z, 2.0), slope, atol=1e-6)


@pytest.mark.parametrize("log_snr", [-5.0, 0.0, 4.0])
def test_the_mmse_of_gaussian_data_is_the_closed_form(log_snr):
    found = exact.mmse(gaussian(0.3, 0.5), log_snr)
    assert found == pytest.approx(0.3 / (1.0 + 0.3 * np.exp(log_snr)), rel=1e-9)


def test_the_mmse_is_the_mean_of_posterior_variances():
    _, variance = exact.posterior_moments(ROUGH, GRID.points, 1.5)
    weights = np.exp(exact.log_density(ROUGH, GRID.points, 1.5))
    expected = weights @ variance / weights.sum()
    assert exact.mmse(ROUGH, 1.5) == pytest.approx(expected, rel=1e-9)


def test_many_errors_are_a_spline_of_a_few():
    values = np.linspace(-6.0, 6.0, exact.NUM_NODES + 1)
    found = exact.mmses(SMOOTH, values)
    some = slice(3, None, 40)
    expected = [exact.mmse(SMOOTH, value) for value in values[some]]
    np.testing.assert_allclose(found[some], expected, rtol=1e-5)


def test_the_best_variance_lies_between_the_extremes():
    """N(0, 1) data need the forward variance, data at one point the posterior's."""
    s, t = 2.0, 0.5
    sigma_s, sigma_t = 1.0 / (1.0 + np.exp(s)), 1.0 / (1.0 + np.exp(t))
    posterior = sigma_s * -np.expm1(t - s)
    forward = posterior * sigma_t / sigma_s
    wide = densities.standard_normal(Grid(-8.0, 8.0, 401))
    assert exact.reverse_variance(wide, s, t) == pytest.approx(forward, rel=1e-10)
    masses = np.zeros(GRID.num)
    masses[180] = 1.0
    point = densities.Density(GRID, masses)
    assert exact.reverse_variance(point, s, t) == pytest.approx(posterior, rel=1e-10)
    assert posterior < exact.reverse_variance(ROUGH, s, t) < forward


def test_the_best_variance_is_the_mean_of_the_exact_reverse_kernels():
    chain = Chain.of(SMOOTH, lambda t: 2.0 - 3.0 * t, 2)
    kernel = chain.reverse_kernel(1)
    expected = chain.marginals[2].masses @ kernel.variances
    found = exact.reverse_variance(SMOOTH, 2.0, -1.0)
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("variance", [None, 0.0, 1.0], ids=["best", "small", "large"])
@pytest.mark.parametrize("uses_network", [True, False])
def test_the_bound_of_gaussian_data_is_the_closed_form(variance, uses_network):
    data, num_steps = gaussian(0.3, 0.5), 6
    bound = exact.bound(data, LOG_SNR, num_steps, variance, uses_network)
    log_snrs = np.linspace(5.0, -6.0, num_steps)
    snr, noise = np.exp(log_snrs), 1.0 / (1.0 + np.exp(log_snrs))
    prior = 0.5 * (
        (1.0 - noise[-1]) * (0.3 + 0.25) + noise[-1] - 1.0 - np.log(noise[-1])
    )
    error = 0.3 / (1.0 + 0.3 * snr)
    removed = 1.0 - snr[1:] / snr[:-1]
    q = noise[:-1] * removed
    squared = (1.0 - noise[:-1]) * removed**2 * error[1:]
    p = {None: q + squared, 0.0: q, 1.0: q * noise[1:] / noise[:-1]}[variance]
    kl = 0.5 * (np.log(p / q) + (q + squared) / p - 1.0)
    assert bound.prior == pytest.approx(prior, rel=1e-9)
    np.testing.assert_allclose(bound.transitions, kl, rtol=1e-6)
    scale, mean = error[0], error[0]
    if not uses_network:
        scale = mean = 1.0 / snr[0]
    elif variance is not None:
        scale = noise[0] if variance == 1.0 else noise[0] * removed[0]
    reconstruction = 0.5 * (np.log(2.0 * np.pi * scale) + mean / scale)
    assert bound.reconstruction == pytest.approx(reconstruction, rel=1e-9)
    assert bound.total == pytest.approx(prior + kl.sum() + reconstruction, rel=1e-6)


def test_the_bound_is_above_the_likelihood_and_that_above_the_entropy():
    """With Gaussians of the best variance for all z_t, log p is exact on the grid."""
    for num_steps in (4, 10):
        chain = Chain.of(SMOOTH, schedules.cosine(-9.0, 4.0).log_snr, num_steps)
        density = densities.standard_normal(GRID)
        for step in reversed(range(num_steps)):
            kernel = chain.reverse_kernel(step)
            best = float(chain.marginals[step + 1].masses @ kernel.variances)
            density = gaussian_fits.fitted(kernel, best).apply(density)
        likelihood = SMOOTH.entropy + divergences.kl(SMOOTH, density)
        bound = exact.bound(SMOOTH, schedules.cosine(-9.0, 4.0).log_snr, num_steps)
        assert SMOOTH.entropy < likelihood < bound.total
        assert bound.total - likelihood < 2.0 / num_steps


def test_a_thousand_linear_betas_lose_half_a_nat():
    q = densities.gaussian_mixture(FINE, [-0.9, 0.8], [0.4, 0.3], [0.6, 0.4])
    log_snr = schedules.linear_beta(1000).log_snr
    small = exact.bound(q, log_snr, 1000, 0.0)
    assert small.total - q.entropy == pytest.approx(0.57, abs=0.01)
    # Most of it in the first steps from the data, where log SNR falls by 0.8 a step, and in
    # the decoder; the best variance loses a hundredth.
    best = exact.bound(q, log_snr, 1000)
    assert best.total - q.entropy < 0.01


def test_noise_narrower_than_the_grid_is_refused():
    with pytest.raises(ValueError, match=r"log SNR 12: its noise .* finer grid"):
        exact.mmse(SMOOTH, 12.0)
