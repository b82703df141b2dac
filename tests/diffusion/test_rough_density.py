"""The framework on a rough density of the line, whose every answer is known on a grid.

The bound's terms, the flow's density, the ends of samplers and the analytic variance, against
quadrature in float64. Nothing of this density is linear or Gaussian, as its denoiser is a
softmax over six narrow peaks.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ddpm_jax.diffusion.likelihood import elbo, probability_flow
from ddpm_jax.diffusion.likelihood.divergence import Exact
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.gaussian_decoder import GaussianDecoder
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import (
    analytic_variance,
    ancestral,
    ddim,
    dpm_solver,
    edm,
    loop,
    time_grids,
    unipc,
)
from ddpm_jax.lab import densities
from ddpm_jax.lab import exact as known
from tests.diffusion.samplers import exact

# Peaks of standard deviations 0.05 to 0.15, and noise at t = 0 of 0.08.
GRID = densities.Grid(-5.0, 5.0, 251)
ROUGH = densities.rough(GRID, 3, num_peaks=6, reach=1.5, widths=(0.05, 0.15))
LEAST, MOST = -18.0, 5.0
LOG_SNR = schedules.cosine(LEAST, MOST).log_snr
FINE = np.linspace(-6.0, 6.0, 6001)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def model(variance_fraction=0.0):
    return known.diffusion(ROUGH, LOG_SNR, variance_fraction)


def data(num, seed):
    """Draws of the points by their masses, as images of one pixel."""
    generator = np.random.default_rng(seed)
    drawn = generator.choice(GRID.points, num, p=ROUGH.masses)
    return jnp.asarray(drawn.reshape(num, 1, 1, 1))


def first_latents(num, seed):
    """Draws of q(z_0), from the data's."""
    alpha, sigma = exact.alpha_sigma(MOST)
    noise = np.random.default_rng([seed, 1]).standard_normal((num, 1, 1, 1))
    return alpha * np.asarray(data(num, seed)) + sigma * noise


def cdf(z, log_snr):
    """P(Z <= z) of the latent at a log SNR: a mean of normal ones over the grid."""
    alpha, sigma = exact.alpha_sigma(log_snr)
    deviates = (np.asarray(z)[..., None] - alpha * GRID.points) / sigma
    return scipy.stats.norm.cdf(deviates) @ ROUGH.masses


@pytest.mark.parametrize("variance_fraction", [0.0, 1.0], ids=["small", "large"])
def test_the_bounds_terms_are_those_of_the_grid(variance_fraction):
    num, num_steps = 4000, 8
    found = jax.jit(elbo.full, static_argnums=(0, 1, 4, 5))(
        model(variance_fraction),
        GaussianDecoder(mean_from="x_hat"),
        data(num, 0),
        exact.keys(num),
        num_steps,
        1,
    )
    expected = known.bound(ROUGH, LOG_SNR, num_steps, variance_fraction)
    of_terms = {
        "prior": expected.prior,
        "diffusion": expected.transitions.sum(),
        "reconstruction": expected.reconstruction,
    }
    for name, value in of_terms.items():
        nats = np.asarray(getattr(found.terms, name))
        # A false alarm of one of the three: once in 500,000 seeds.
        assert abs(nats.mean() - value) < 5.0 * nats.std() / np.sqrt(num), name
    assert expected.total > ROUGH.entropy


def test_the_flows_density_is_the_densitys():
    z_0 = jnp.asarray(first_latents(64, 1))
    run = jax.jit(probability_flow.forward, static_argnums=(0, 3, 4))
    solve = probability_flow.Solve(rtol=1e-8, atol=1e-8)
    flow = run(model(), z_0, exact.keys(64), Exact(), solve)
    assert np.all(flow.converged)
    truth = known.log_density(ROUGH, np.asarray(z_0).ravel(), MOST)
    # What is left of the data at log SNR -18 is below 1e-4 nats of it.
    np.testing.assert_allclose(flow.log_density, truth, rtol=0, atol=5e-4)
    assert np.ptp(truth) > 1.5


# Sampler, steps, and the error that its order leaves.
FLOWS = {
    "ddim": (ddim.make(), 800, 0.02),
    "heun": (edm.heun(), 200, 2e-3),
    "unipc_2": (unipc.make(2), 100, 2e-3),
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_on_a_line_moves_quantiles_to_quantiles(name):
    """An ODE keeps the order of a line: z_0 has in q(z_0) the rank of z_1 in q(z_1)."""
    sampler, num_steps, allowed = FLOWS[name]
    z_1 = np.linspace(-2.5, 2.5, 81)
    ranks = cdf(z_1, LEAST)
    truth = np.interp(ranks, cdf(FINE, MOST), FINE)
    times = time_grids.by_log_snr(LOG_SNR, CONTINUOUS, num_steps + 1)
    start = jnp.asarray(z_1.reshape(-1, 1, 1, 1))
    end = exact.follow(model(), sampler, times, start, exact.keys(81)).z
    error = np.sqrt(np.mean(np.square(np.ravel(end) - truth)))
    assert error < allowed
    # The mean of both ends is no answer.
    assert np.sqrt(np.mean(np.square(0.5 * z_1 - truth))) > 0.1


STOCHASTIC = {
    "ancestral": (lambda: ancestral.make(ancestral.fixed_variance(1.0)), 1.0),
    "sde_2m": (lambda: dpm_solver.multistep(2, eta=1.0), 0.0),
}


@pytest.mark.parametrize("name", STOCHASTIC)
def test_a_sampler_that_draws_ends_in_the_density(name):
    make, variance_fraction = STOCHASTIC[name]
    num = 2000
    times = time_grids.by_log_snr(LOG_SNR, CONTINUOUS, 201)
    keys = exact.keys(num)
    start = loop.first_latent(keys, (1, 1, 1), jnp.float64)
    end = exact.follow(model(variance_fraction), make(), times, start, keys).z
    # A false alarm: once in a thousand seeds.
    test = scipy.stats.kstest(np.ravel(end), lambda z: cdf(z, MOST))
    assert test.pvalue > 1e-3
    # A Gaussian of the right moments would be seen.
    moved = scipy.stats.norm.ppf((np.arange(num) + 0.5) / num)
    moved = np.mean(end) + np.std(end) * moved
    assert scipy.stats.kstest(moved, lambda z: cdf(z, MOST)).pvalue < 1e-3


@pytest.mark.parametrize("t", [0.2, 0.5, 0.8])
def test_the_analytic_variance_is_the_grids(t):
    num = 20_000
    found = jax.jit(analytic_variance.error, static_argnums=0)(
        model(), data(num, 2), jnp.asarray(t), exact.keys(num)
    )
    log_snr = float(LOG_SNR(jnp.asarray(t)))
    _, sigma = exact.alpha_sigma(log_snr)
    expected = known.mmse(ROUGH, log_snr) / sigma**2
    # Five standard errors: fails a correct program once in 1.7 million seeds.
    assert abs(np.mean(found) - expected) < 5.0 * np.std(found) / np.sqrt(num)

    table = analytic_variance.Table(np.array([log_snr]), np.array([expected]))
    of = analytic_variance.log_variance(table)
    nothing = model().denoise(jnp.zeros((1, 1, 1, 1)), jnp.asarray([t]))
    log_snr_s = log_snr + 1.5
    variance = np.exp(of(nothing, jnp.asarray(log_snr_s), jnp.asarray(log_snr)))
    expected = known.reverse_variance(ROUGH, log_snr_s, log_snr)
    np.testing.assert_allclose(variance, expected, rtol=1e-6)
