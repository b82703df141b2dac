"""The Gaussian processes against DDPM's own formulas (Ho et al. 2020, section 2).

These are written here in numpy float64 with beta, alpha_bar and Bayes' rule; the code
under test knows only log SNR.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian

BETAS = np.linspace(1e-4, 0.2, 50)
ALPHA_BAR = np.cumprod(1 - BETAS)
LOG_SNR = np.log(ALPHA_BAR / (1 - ALPHA_BAR))
# One example a transition, from index K to K - 1.
K = np.array([1, 2, 10, 30, 49])
BETA = BETAS[K].reshape(-1, 1, 1, 1)
BAR_T = ALPHA_BAR[K].reshape(-1, 1, 1, 1)
BAR_S = ALPHA_BAR[K - 1].reshape(-1, 1, 1, 1)

both_dtypes = pytest.mark.parametrize("x64, rtol", [(False, 2e-5), (True, 1e-9)])


def draw(seed):
    return np.random.default_rng(seed).normal(size=(len(K), 3, 4, 2))


X, EPS = draw(0), draw(1)
Z_T = np.sqrt(BAR_T) * X + np.sqrt(1 - BAR_T) * EPS


def as_arrays(*values):
    """In float64 where that is enabled, else float32."""
    return [jnp.asarray(value, float) for value in values]


def transition_kl(x_hat, eps_hat, fraction):
    """Of each of the transitions, for estimates of x and eps."""
    x, eps, l_s, l_t = as_arrays(X, EPS, LOG_SNR[K - 1], LOG_SNR[K])
    prediction = Prediction(*as_arrays(x_hat, eps_hat, fraction))
    return gaussian.transition_kl(x, eps, prediction, l_s, l_t)


@both_dtypes
def test_alpha_and_sigma_are_those_of_alpha_bar(x64, rtol):
    with jax.enable_x64(x64):
        alpha, sigma = gaussian.alpha_sigma(*as_arrays(LOG_SNR))
        np.testing.assert_allclose(alpha, np.sqrt(ALPHA_BAR), rtol=rtol)
        np.testing.assert_allclose(sigma, np.sqrt(1 - ALPHA_BAR), rtol=rtol)


def test_neither_scale_loses_digits_where_it_is_small():
    log_snr = np.array([-40.0, -20.0, 20.0, 40.0])
    alpha, sigma = gaussian.alpha_sigma(jnp.asarray(log_snr, jnp.float32))
    np.testing.assert_allclose(alpha, np.sqrt(1 / (1 + np.exp(-log_snr))), rtol=1e-6)
    np.testing.assert_allclose(sigma, np.sqrt(1 / (1 + np.exp(log_snr))), rtol=1e-6)


@both_dtypes
def test_diffuse_is_equation_4(x64, rtol):
    with jax.enable_x64(x64):
        z_t = gaussian.diffuse(*as_arrays(X, EPS, LOG_SNR[K]))
        np.testing.assert_allclose(z_t, Z_T, rtol=rtol, atol=rtol)


@both_dtypes
def test_posterior_mean_is_equation_7_and_bayes_rule(x64, rtol):
    equation_7 = (
        np.sqrt(BAR_S) * BETA / (1 - BAR_T) * X
        + np.sqrt(1 - BETA) * (1 - BAR_S) / (1 - BAR_T) * Z_T
    )
    # The product of q(z_t | z_s) and q(z_s | x), as Gaussians in z_s.
    precision = (1 - BETA) / BETA + 1 / (1 - BAR_S)
    bayes = np.sqrt(1 - BETA) * Z_T / BETA + np.sqrt(BAR_S) * X / (1 - BAR_S)
    np.testing.assert_allclose(equation_7, bayes / precision, rtol=1e-9)
    with jax.enable_x64(x64):
        x, eps, l_s, l_t = as_arrays(X, EPS, LOG_SNR[K - 1], LOG_SNR[K])
        l_s, l_t = gaussian.per_example(l_s), gaussian.per_example(l_t)
        mean = gaussian.posterior_mean(x, eps, l_s, l_t)
        one = gaussian.posterior_mean(x, eps, l_s[0, 0, 0, 0], l_t[0, 0, 0, 0])
        np.testing.assert_array_equal(one[0], mean[0])
        np.testing.assert_allclose(mean, equation_7, rtol=rtol, atol=rtol)


def variances():
    """Posterior (by Bayes' rule) and forward variance of each transition."""
    return 1 / ((1 - BETA) / BETA + 1 / (1 - BAR_S)), BETA


@both_dtypes
@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0, 1.5, "array"])
def test_variance_lies_between_posterior_and_forward(x64, rtol, fraction):
    if fraction == "array":
        fraction = np.random.default_rng(2).uniform(-0.5, 1.5, X.shape)
    small, large = variances()
    want = fraction * np.log(large) + (1 - fraction) * np.log(small)
    with jax.enable_x64(x64):
        share, l_s, l_t = as_arrays(fraction, LOG_SNR[K - 1], LOG_SNR[K])
        got = gaussian.log_variance(
            share, gaussian.per_example(l_s), gaussian.per_example(l_t)
        )
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(
            gaussian.log_variance_range(l_s, l_t),
            np.log(large / small).ravel(),
            rtol=rtol,
            atol=rtol,
        )


def test_noise_removed_is_1_minus_a_ratio_of_snrs_to_its_last_digit():
    l_s = np.array([0.0, 0.0, 3.0, 10.0])
    l_t = l_s - np.array([2.0**-20, 2.0**-10, 0.5, 30.0])
    got = gaussian.noise_removed(
        jnp.asarray(l_s, jnp.float32), jnp.asarray(l_t, jnp.float32)
    )
    np.testing.assert_allclose(got, -np.expm1(l_t - l_s), rtol=2e-7)


def general_kl(mean_q, var_q, mean_p, var_p):
    """KL(N(mean_q, var_q) || N(mean_p, var_p)) of each example."""
    each = np.log(var_p / var_q) + (var_q + (mean_q - mean_p) ** 2) / var_p - 1
    return 0.5 * np.broadcast_to(each, X.shape).sum(axis=(1, 2, 3))


@both_dtypes
@pytest.mark.parametrize("fraction", [0.0, 1.0, 0.4, "array"])
def test_transition_kl_is_that_of_two_gaussians(x64, rtol, fraction):
    if fraction == "array":
        fraction = np.random.default_rng(3).uniform(-0.5, 1.5, X.shape)
    x_hat = X + 0.1 * draw(4)
    eps_hat = (Z_T - np.sqrt(BAR_T) * x_hat) / np.sqrt(1 - BAR_T)

    def mean(x):
        return (
            np.sqrt(BAR_S) * BETA / (1 - BAR_T) * x
            + np.sqrt(1 - BETA) * (1 - BAR_S) / (1 - BAR_T) * Z_T
        )

    small, large = variances()
    var_p = small ** (1 - fraction) * large**fraction
    want = general_kl(mean(X), small, mean(x_hat), var_p)
    with jax.enable_x64(x64):
        got = transition_kl(x_hat, eps_hat, fraction)
    assert got.shape == (len(K),)
    np.testing.assert_allclose(got, want, rtol=5 * rtol)


@pytest.mark.parametrize("r", [1e-6, 1e-3, 0.0999, 0.1001, 1.0, -1e-3, -1.0])
@both_dtypes
def test_transition_kl_of_a_variance_alone_keeps_its_digits(x64, rtol, r):
    # A perfect mean, and a variance exp(r) times the posterior's: (r + expm1(-r)) / 2 a
    # dimension, here by its power series in float64.
    terms = [1 / 2]
    for n in range(3, 40):
        terms.append(-terms[-1] / n)
    want = 0.5 * sum(c * r ** (n + 2) for n, c in enumerate(terms)) * 24
    fraction = r / np.log(variances()[1] / variances()[0])
    with jax.enable_x64(x64):
        got = transition_kl(X, EPS, np.broadcast_to(fraction, X.shape))
    np.testing.assert_allclose(got, want, rtol=max(2 * rtol, 1e-8))


def test_transition_kl_has_finite_gradients_at_both_variances():
    def total(fraction):
        return jnp.sum(transition_kl(X, EPS, fraction))

    by_fraction = jax.grad(total)
    # A perfect mean is best served by the posterior's variance.
    np.testing.assert_array_equal(by_fraction(jnp.zeros(X.shape)), np.zeros(X.shape))
    assert np.all(by_fraction(jnp.ones(X.shape)) > 0)


@both_dtypes
def test_velocity_error_is_the_error_of_eps_and_of_x_in_other_units(x64, rtol):
    x_hat = X + 0.1 * draw(5)
    eps_hat = (Z_T - np.sqrt(BAR_T) * x_hat) / np.sqrt(1 - BAR_T)
    with jax.enable_x64(x64):
        x, eps, log_snr = as_arrays(X, EPS, LOG_SNR[K])
        prediction = Prediction(*as_arrays(x_hat, eps_hat, 0.0))
        got = gaussian.velocity_error(x, eps, prediction, log_snr)
    # Of errors of 0.1 with values of 1, ten times the rounding is left.
    tolerance = {"rtol": 10 * rtol, "atol": rtol}
    np.testing.assert_allclose(got, (eps_hat - EPS) ** 2 / BAR_T, **tolerance)
    np.testing.assert_allclose(got, (x_hat - X) ** 2 / (1 - BAR_T), **tolerance)


@pytest.mark.parametrize("log_snr", [-20.0, -10.1, -2.0, 3.0])
@both_dtypes
def test_prior_kl_is_that_of_two_gaussians(x64, rtol, log_snr):
    alpha_sq, sigma_sq = 1 / (1 + np.exp(-log_snr)), 1 / (1 + np.exp(log_snr))
    want = general_kl(np.sqrt(alpha_sq) * X, sigma_sq, 0.0, 1.0)
    with jax.enable_x64(x64):
        got = gaussian.prior_kl(*as_arrays(X, log_snr))
    assert got.shape == (len(K),)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-14)


def test_sum_dims_leaves_the_batch():
    ones = jnp.ones((3, 2, 4, 5))
    np.testing.assert_array_equal(gaussian.sum_dims(ones), [40.0, 40.0, 40.0])
