"""Each weighting against its paper's formula, on the paper's own error."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ddpm_jax.diffusion.objectives import weightings
from ddpm_jax.diffusion.objectives.weightings import WEIGHTINGS

LOG_SNR = np.linspace(-12.0, 12.0, 97)
SNR = np.exp(LOG_SNR)

# Of a velocity error of 1.
EPS_ERROR = SNR / (1.0 + SNR)
X_ERROR = 1.0 / (1.0 + SNR)


def edm(sigma_data, mean, std):
    """lambda(sigma) |D - x|^2, and the density of log SNR = -2 log sigma."""
    sigma = SNR**-0.5
    weight = (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
    return scipy.stats.norm.pdf(LOG_SNR, -2.0 * mean, 2.0 * std) * weight * X_ERROR


PUBLISHED = [
    ("simple", {}, EPS_ERROR),
    ("x", {}, X_ERROR),
    ("v", {}, (SNR + 1.0) * X_ERROR),
    ("truncated_snr", {}, np.maximum(SNR, 1.0) * X_ERROR),
    ("min_snr", {}, np.minimum(SNR, 5.0) * X_ERROR),
    ("min_snr", {"gamma": 1.5}, np.minimum(SNR, 1.5) * X_ERROR),
    ("p2", {}, EPS_ERROR / (1.0 + SNR)),
    ("p2", {"k": 0.3, "gamma": 0.5}, EPS_ERROR / np.sqrt(0.3 + SNR)),
    ("sigmoid", {}, 0.5 * EPS_ERROR / (1.0 + SNR * np.exp(-2.0))),
    ("sigmoid", {"bias": -1.0}, 0.5 * EPS_ERROR / (1.0 + SNR * np.e)),
    ("edm", {}, edm(0.5, -1.2, 1.2)),
    (
        "edm",
        {"sigma_data": 0.7, "log_sigma_mean": -0.4, "log_sigma_std": 1.0},
        edm(0.7, -0.4, 1.0),
    ),
]


@pytest.mark.parametrize(("name", "options", "expected"), PUBLISHED)
def test_weight_is_the_published_one(name, options, expected):
    choice = WEIGHTINGS[name]
    weighting = choice.make(choice.options(**options))
    got = weighting.weight(jnp.asarray(LOG_SNR, jnp.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert weighting.per_log_snr == (name in ("sigmoid", "edm"))


def test_every_weighting_has_been_compared():
    assert {name for name, _, _ in PUBLISHED} == set(WEIGHTINGS)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_weights_are_finite_and_of_the_given_dtype_at_any_log_snr(name):
    log_snr = jnp.array([-80.0, -30.0, 0.0, 30.0, 80.0])
    weight = WEIGHTINGS[name].default().weight(log_snr)
    assert weight.dtype == jnp.float32 and weight.shape == (5,)
    assert np.all(np.isfinite(weight)) and np.all(weight >= 0.0)


def test_limits_that_are_other_weightings():
    log_snr = jnp.asarray(LOG_SNR)

    def same(one, other):
        np.testing.assert_allclose(
            one.weight(log_snr), other.weight(log_snr), rtol=1e-5
        )

    same(weightings.min_snr(weightings.MinSnr(gamma=1e9)), weightings.simple())
    same(weightings.p2(weightings.P2(gamma=0.0)), weightings.simple())
    same(weightings.p2(weightings.P2(k=1e-15)), weightings.x())
    large_bias = weightings.sigmoid(weightings.Sigmoid(bias=40.0)).weight(log_snr)
    np.testing.assert_allclose(
        large_bias, 0.5 * weightings.simple().weight(log_snr), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("min_snr", "gamma", 0.0),
        ("p2", "k", -1.0),
        ("edm", "sigma_data", 0.0),
        ("edm", "log_sigma_std", float("nan")),
    ],
)
def test_options_out_of_range(name, option, value):
    with pytest.raises(ValueError, match=f"{option} = {value}: write a number above 0"):
        WEIGHTINGS[name].options(**{option: value})
