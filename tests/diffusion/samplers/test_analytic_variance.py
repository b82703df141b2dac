"""The table of errors, and the variance from it, where both have a closed form.

Data is N(m, s^2) with one s, so that the true reverse process is Gaussian. The errors
themselves are tested on a rough density, in test_rough_density.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import analytic_variance, ancestral, time_grids
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

SHAPE = (2, 2, 1)
MEAN = np.array([0.3, -0.2, 0.0, 0.7]).reshape(SHAPE)
STD = 0.5
MODEL = closed_form.correlated_data(exact.COSINE, MEAN, STD**2 * np.eye(4))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def true_error(log_snr: np.ndarray) -> np.ndarray:
    """Var(x | z) / sigma^2."""
    alpha, sigma = exact.alpha_sigma(log_snr)
    return STD**2 / (alpha**2 * STD**2 + sigma**2)


def true_table() -> analytic_variance.Table:
    log_snr = np.linspace(-10.0, 10.0, 2001)
    return analytic_variance.Table(log_snr, true_error(log_snr))


def test_the_variance_is_that_of_the_true_reverse_process():
    """Of z_s given z_t, which are jointly Gaussian."""
    log_snr_t, log_snr_s = np.array([-9.5, -2.0, 1.0, 6.0]), np.array([-9, 5, 1.5, 9.9])
    (alpha_t, sigma_t), (alpha_s, sigma_s) = map(
        exact.alpha_sigma, (log_snr_t, log_snr_s)
    )
    variance_t, variance_s = (
        a**2 * STD**2 + b**2 for a, b in ((alpha_t, sigma_t), (alpha_s, sigma_s))
    )
    covariance = alpha_t / alpha_s * variance_s
    expected = variance_s - covariance**2 / variance_t

    nothing = MODEL.denoise(jnp.zeros((1, *SHAPE)), jnp.zeros(1))
    of = analytic_variance.log_variance(true_table())
    found = of(nothing, jnp.asarray(log_snr_s, jnp.float64), jnp.asarray(log_snr_t))
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-5)


def test_between_its_points_the_table_is_a_straight_line():
    table = analytic_variance.Table(
        np.array([-2.0, 0.0, 1.0]), np.array([0.1, 0.5, 0.9])
    )
    of = analytic_variance.log_variance(table)
    nothing = MODEL.denoise(jnp.zeros((1, *SHAPE)), jnp.zeros(1))
    log_snr_s = jnp.full(4, 3.0)
    log_snr_t = np.array([-5.0, -1.0, 0.75, 2.0])
    errors = np.array([0.1, 0.3, 0.8, 0.9])  # The last ones beyond its ends.
    (alpha_s, sigma_s), (_, sigma_t) = map(exact.alpha_sigma, (3.0, log_snr_t))
    c = 1.0 - np.exp(log_snr_t - 3.0)
    expected = sigma_s**2 * c + (alpha_s * c) ** 2 * errors * sigma_t**2
    found = np.exp(of(nothing, log_snr_s, jnp.asarray(log_snr_t)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def output_moments(
    log_variance: ancestral.LogVariance, num_visited: int
) -> tuple[np.ndarray, float]:
    """Mean and variance of what ancestral sampling draws, by how it moves both a step."""
    times = time_grids.by_log_snr(exact.COSINE, CONTINUOUS, num_visited)
    sampler = ancestral.make(log_variance)
    rows = sampler.plan(exact.COSINE, times)
    mean, variance = np.zeros(SHAPE), 1.0
    zeros = jnp.zeros((1, *SHAPE))
    for i in range(num_visited - 1):
        row = jax.tree.map(lambda a, i=i: a[i], rows)

        def moved(z, noise, row=row):
            prediction = MODEL.denoise(z, row.t[None])
            return ancestral.draw(log_variance, prediction, row, noise)

        at_zero = moved(zeros, zeros)
        gain = (moved(zeros + 1.0, zeros) - at_zero)[0, 0, 0, 0]
        std = (moved(zeros, zeros + 1.0) - at_zero)[0, 0, 0, 0]
        mean = np.asarray(gain * mean + at_zero[0])
        variance = float(gain**2 * variance + std**2)
    return mean, variance


def test_few_steps_with_it_give_exactly_the_right_moments():
    """Of the other variances the posterior's is too little, the forward's too much."""
    alpha, sigma = exact.alpha_sigma(10.0)
    right = alpha**2 * STD**2 + sigma**2
    # It starts from N(0, 1), not from z_1, whose variance differs by alpha_1^2 = 5e-5 and
    # whose mean by alpha_1 = 0.007 of the data's.
    mean, variance = output_moments(analytic_variance.log_variance(true_table()), 4)
    np.testing.assert_allclose(variance, right, rtol=2e-4)
    np.testing.assert_allclose(mean, alpha * MEAN, rtol=0.01)
    (_, too_little), (_, too_much) = (
        output_moments(ancestral.fixed_variance(fraction), 4) for fraction in (0.0, 1.0)
    )
    assert too_little < 0.8 * right
    assert too_much > 1.05 * right
