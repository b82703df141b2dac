"""The decoder of continuous data: a density in the units of the data."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ddpm_jax.diffusion.likelihood import elbo, flow_bound
from ddpm_jax.diffusion.likelihood.dequantization import DEQUANTIZATIONS
from ddpm_jax.diffusion.likelihood.divergence import Exact
from ddpm_jax.diffusion.likelihood.probability_flow import Solve
from ddpm_jax.diffusion.process.gaussian_decoder import CHOICE, GaussianDecoder
from ddpm_jax.diffusion.process.pixel_decoder import is_continuous
from ddpm_jax.models.table import PIXEL_DECODERS
from tests.diffusion import closed_form

# Celsius in Fahrenheit.
DECODER = GaussianDecoder(scale=1.8, shift=32.0)
SHAPE = (2, 1, 1, 3)


def array(seed, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def test_data_are_scaled_and_shifted_back_and_forth():
    data = jnp.array([32.0, 212.0, -40.0]).reshape(1, 1, 1, 3)
    x = DECODER.encode(data)
    np.testing.assert_allclose(x.ravel(), [0.0, 100.0, -40.0], rtol=1e-6)
    for back in (DECODER.decode(x), DECODER.values(x)):
        assert back.dtype == jnp.float32
        np.testing.assert_allclose(back, data, rtol=1e-6)
    np.testing.assert_array_equal(DECODER.from_values(data), x)
    # A unit of the data, in units of x.
    one = DECODER.encode(data + 1.0) - x
    np.testing.assert_allclose(one, DECODER.bin_width, rtol=1e-4)


def test_nothing_is_rounded_or_cut():
    far = jnp.full((1, 1, 1, 1), 1e5)
    np.testing.assert_allclose(DECODER.decode(far), 1.8e5 + 32.0)


@pytest.mark.parametrize("log_std", [-6.0, 0.5])
def test_the_density_is_the_gaussians_in_the_datas_units(log_std):
    with jax.enable_x64(True):
        data, mean = 5.0 * array(0).astype(float), array(1).astype(float)
        found = DECODER.log_prob(data, mean, jnp.asarray(log_std))
        place, width = 1.8 * np.asarray(mean) + 32.0, 1.8 * np.exp(log_std)
        expected = scipy.stats.norm(place, width).logpdf(data).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_scale_for_each_pixel_is_its_own():
    mean, log_std = array(0), 0.3 * array(1)
    data = DECODER.decode(mean)
    expected = -(log_std + np.log(1.8 * np.sqrt(2 * np.pi))).sum(axis=(1, 2, 3))
    found = DECODER.log_prob(data, mean, log_std)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_draws_have_the_densitys_mean_and_deviation():
    num = 20_000
    keys = jax.random.split(jax.random.key(0), num)
    mean = jnp.broadcast_to(jnp.array([0.5, -2.0]), (num, 1, 1, 2))
    log_std = jnp.broadcast_to(jnp.log(jnp.array([0.1, 3.0])), mean.shape)
    drawn = np.asarray(DECODER.draw(keys, mean, log_std))[:, 0, 0]
    width = 1.8 * np.array([0.1, 3.0])
    expected = 1.8 * np.array([0.5, -2.0]) + 32.0
    assert np.all(abs(drawn.mean(axis=0) - expected) < 5 * width / np.sqrt(num))
    assert np.all(abs(drawn.std(axis=0) / width - 1) < 5 / np.sqrt(2 * num))
    # An example depends on its key alone.
    alone = DECODER.draw(keys[7:8], mean[7:8], log_std[7:8])
    np.testing.assert_allclose(alone[0, 0, 0], drawn[7], rtol=1e-6)


def test_the_bound_and_the_flow_are_densities_of_the_data():
    """Of Gaussian data the bound is near the density of the data, the flow's is known."""
    chain = closed_form.Chain.of(1000)
    model = closed_form.gaussian_data(chain, "eps")
    rng = np.random.default_rng(0)
    std, alpha_bar = closed_form.STD, chain.alpha_bar[0]
    x = closed_form.MEAN + std * rng.normal(size=(64, *closed_form.SHAPE))
    data = jnp.asarray(1.8 * x + 32.0, jnp.float32)
    keys = jax.random.split(jax.random.key(1), 64)

    @functools.partial(jax.jit, static_argnums=0)
    def bound(decoder, data):
        estimated = elbo.full(model, decoder, data, keys, chain.num_steps)
        return estimated.terms.total

    in_units, of_x = (
        bound(DECODER, data),
        bound(GaussianDecoder(), DECODER.encode(data)),
    )
    np.testing.assert_allclose(in_units - of_x, 4 * np.log(1.8), atol=0.02)
    true = scipy.stats.norm(closed_form.MEAN, std).logpdf(x) - np.log(1.8)
    excess = np.asarray(in_units) + true.sum(axis=(1, 2, 3))
    # Of the pixel of deviation 0.02, which the steps are too long for.
    assert -4 * excess.std() / 8 < excess.mean() < 3.0
    assert excess.std() / 8 < 0.5

    flow = jax.jit(
        lambda: flow_bound.by_flow(
            *(model, DECODER, data, keys, chain.num_steps),
            dequantization=DEQUANTIZATIONS["none"].default(),
            divergence=Exact(4),
            solve=Solve(rtol=1e-5, atol=1e-6),
        )
    )()
    # The data, with the noise of z_0 / alpha_0.
    wide = np.sqrt(std**2 + (1.0 - alpha_bar) / alpha_bar)
    known = scipy.stats.norm(closed_form.MEAN, wide).logpdf(x) - np.log(1.8)
    assert np.all(flow.converged)
    np.testing.assert_allclose(flow.terms.total, -known.sum(axis=(1, 2, 3)), atol=0.05)


def test_it_is_made_of_its_options_for_continuous_data():
    made = CHOICE.make(CHOICE.options(scale=2.0, shift=-1.0), 0, "x_hat")
    assert made == GaussianDecoder(2.0, -1.0, "x_hat")
    assert is_continuous(made) and "Gaussian density around x_hat" in made.description
    for choice in PIXEL_DECODERS.values():
        decoder = choice.default(17, "z_0")
        assert is_continuous(decoder) == choice.has("continuous")


@pytest.mark.parametrize(
    "options", [dict(scale=0.0), dict(scale=-1.0), dict(shift=1e99)]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} = "):
        CHOICE.options(**options)
