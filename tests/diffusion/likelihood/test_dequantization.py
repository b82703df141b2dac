"""Draws of q(z_0 | pixels) and their weights, against the probability of a bin."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from ddpm_jax.diffusion.likelihood import dequantization
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.process.gaussian_decoder import GaussianDecoder
from ddpm_jax.diffusion.process.times import CONTINUOUS

PIXEL_DECODERS = [DiscretizedGaussian(6, mean_from="z_0"), Categorical(6)]
OF_PIXELS = [
    name
    for name, choice in dequantization.DEQUANTIZATIONS.items()
    if not choice.has("needs_real_numbers")
]
# Data in units of which x has two and a half.
CONTINUOUS_DATA = GaussianDecoder(scale=2.5, shift=-1.0)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def model(log_snr_0: float) -> Diffusion:
    return Diffusion(lambda t: log_snr_0 - 20.0 * t, lambda z_t, t: None)


def draws(name, pixel_decoder, log_snr_0, value, num):
    keys = jax.random.split(jax.random.key(0), num)
    pixels = jnp.full((num, 1, 1, 1), value)
    found = jax.jit(
        dequantization.DEQUANTIZATIONS[name].default(), static_argnums=(0, 1, 4)
    )(model(log_snr_0), pixel_decoder, pixels, keys, CONTINUOUS)
    return np.asarray(found.z_0).ravel(), np.asarray(found.log_weight)


def scales(log_snr_0: float) -> tuple[float, float]:
    alpha_sq = 1.0 / (1.0 + np.exp(-log_snr_0))
    return np.sqrt(alpha_sq), np.sqrt(1.0 - alpha_sq)


@pytest.mark.parametrize(
    "pixel_decoder", PIXEL_DECODERS, ids=["gaussian", "categorical"]
)
@pytest.mark.parametrize("log_snr_0", [0.0, 3.0, 5.0])
@pytest.mark.parametrize("name", OF_PIXELS)
def test_weights_average_to_the_probability_of_the_pixel(
    name, log_snr_0, pixel_decoder
):
    """E_q[p(z_0) w] = integral of p(z_0) p(pixel | z_0), for any density p."""
    alpha, sigma = scales(log_snr_0)
    density = scipy.stats.norm(0.3, 0.8)
    z_0, log_weight = draws(name, pixel_decoder, log_snr_0, 4, 20_000)
    weights = density.pdf(z_0) * np.exp(log_weight)

    width = pixel_decoder.bin_width
    x = float(pixel_decoder.encode(jnp.full((1, 1, 1, 1), 4), jnp.float64).squeeze())
    low, high = alpha * (x - width / 2), alpha * (x + width / 2)
    expected = density.cdf(high) - density.cdf(low)
    if name == "decoder":

        def joint(z: np.ndarray) -> np.ndarray:
            images = jnp.asarray(z / alpha)[:, None, None, None]
            log_std = jnp.asarray(np.log(sigma / alpha))
            pixels = jnp.full(images.shape, 4)
            log_p = pixel_decoder.log_prob(pixels, images, log_std)
            return density.pdf(z) * np.exp(np.asarray(log_p))

        grid = np.linspace(-7.0, 7.0, 20_001)
        expected = scipy.integrate.simpson(joint(grid), x=grid)
    else:
        assert low <= z_0.min() and z_0.max() <= high
        assert z_0.max() - z_0.min() > 0.9 * min(high - low, 6 * sigma)
    stderr = weights.std(ddof=1) / np.sqrt(weights.size)
    assert abs(weights.mean() - expected) < 5 * stderr + 1e-9
    assert stderr < 0.03 * expected


@pytest.mark.parametrize("log_snr_0", [0.0, 5.0])
def test_without_noise_it_is_a_change_of_variables(log_snr_0):
    """p(data) = p(z_0) |dz_0 / d data|, and so p(data) has an integral of 1."""
    alpha, _ = scales(log_snr_0)
    density = scipy.stats.norm(0.3, 0.8)
    data = np.linspace(-30.0, 30.0, 4001)
    found = dequantization.DEQUANTIZATIONS["none"].default()(
        model(log_snr_0),
        CONTINUOUS_DATA,
        jnp.asarray(data, jnp.float64).reshape(-1, 1, 1, 1),
        jax.random.split(jax.random.key(0), data.size),
        CONTINUOUS,
    )
    z_0 = np.asarray(found.z_0).ravel()
    np.testing.assert_allclose(z_0, alpha * (data + 1.0) / 2.5, rtol=1e-6, atol=1e-6)
    p = density.pdf(z_0) * np.exp(found.log_weight)
    expected = scipy.stats.norm(-1.0 + 2.5 * 0.3 / alpha, 2.5 * 0.8 / alpha).pdf(data)
    np.testing.assert_allclose(p, expected, atol=1e-6)
    assert found.num_evaluations == 0


@pytest.mark.parametrize("log_snr_0", [0.0, 3.0])
def test_of_real_numbers_weights_average_to_their_density(log_snr_0):
    """E_q[p(z_0) w] = integral of p(z_0) p(data | z_0), both Gaussian here."""
    alpha, sigma = scales(log_snr_0)
    density = scipy.stats.norm(0.3, 0.8)
    z_0, log_weight = draws("decoder", CONTINUOUS_DATA, log_snr_0, 1.5, 20_000)
    weights = density.pdf(z_0) * np.exp(log_weight)
    std = 2.5 * np.hypot(0.8, sigma) / alpha
    expected = scipy.stats.norm(-1.0 + 2.5 * 0.3 / alpha, std).pdf(1.5)
    stderr = weights.std(ddof=1) / np.sqrt(weights.size)
    assert abs(weights.mean() - expected) < 5 * stderr
    assert stderr < 0.03 * expected


def test_the_cut_is_that_of_the_schedules_own_end():
    """At VDM's log SNR 13.3 and 256 values: tau = 3.0187, mass 0.997461; elsewhere others."""
    tau = dequantization.cut(jnp.array([13.3, 13.0]), Categorical(256).bin_width)
    np.testing.assert_allclose(tau[0], 3.0187, atol=1e-4)
    mass = np.exp(dequantization.log_mass(tau))
    np.testing.assert_allclose(mass[0], 0.997461, atol=1e-6)
    np.testing.assert_allclose(mass[1], 0.9906, atol=1e-4)


def test_mass_of_a_cut_normal_keeps_its_digits():
    tau = np.array([1e-3, 0.1, 0.999, 1.001, 3.0, 8.0, 20.0])
    expected = np.where(
        tau < 1.0,
        np.log1p(-2 * scipy.stats.norm.cdf(-tau)),
        np.log1p(-2 * scipy.stats.norm.sf(tau)),
    )
    with jax.enable_x64(False):
        single = dequantization.log_mass(jnp.asarray(tau, jnp.float32))
    np.testing.assert_allclose(dequantization.log_mass(jnp.asarray(tau)), expected)
    np.testing.assert_allclose(single, expected, rtol=2e-5, atol=1e-30)
