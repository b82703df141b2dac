"""The three ends, for decoders whose mean is x_hat and such whose mean is z_0 / alpha_0."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.samplers import readout
from tests.diffusion import closed_form

V = 5
T = 10
CHAIN = closed_form.Chain.of(T)
PIXEL_DECODERS = {
    "gaussian": DiscretizedGaussian(V),
    "categorical": Categorical(V),
    "gaussian_of_z_0": DiscretizedGaussian(V, mean_from="z_0"),
    "categorical_of_x_hat": Categorical(V, mean_from="x_hat"),
}
SHAPE = (2, 3, 1)


def given(num: int = 4):
    """z_0 / alpha_0, x_hat, and the model that has them."""
    rng = np.random.default_rng(0)
    whole, x_hat = (
        np.repeat(rng.uniform(-1.1, 1.1, (1, *SHAPE)), num, axis=0) for _ in range(2)
    )
    z_0 = jnp.asarray(np.sqrt(CHAIN.alpha_bar[0]) * whole, jnp.float32)
    prediction = Prediction(
        jnp.asarray(x_hat, jnp.float32), jnp.zeros_like(z_0), jnp.asarray(1.0)
    )
    model = closed_form.answering(CHAIN.log_snr, **prediction._asdict())
    return whole, x_hat, model, z_0, prediction


def keys(num: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), num)


def nearest(pixel_decoder, x: np.ndarray) -> np.ndarray:
    """By hand: the value whose number is nearest."""
    values = np.asarray(pixel_decoder.encode(jnp.arange(V).reshape(1, 1, V, 1))).ravel()
    return np.argmin(np.abs(x[..., None] - values), axis=-1)


@pytest.mark.parametrize("name", PIXEL_DECODERS)
def test_pixels_are_those_nearest_to_the_estimate_or_the_mean(name):
    pixel_decoder = PIXEL_DECODERS[name]
    whole, x_hat, model, z_0, prediction = given()
    found = {
        end: np.asarray(
            readout.to_pixels(
                readout.READOUTS[end].default(),
                model,
                pixel_decoder,
                z_0,
                prediction,
                keys(4),
                T,
            )
        )
        for end in ("denoise", "mean")
    }
    np.testing.assert_array_equal(found["denoise"], nearest(pixel_decoder, x_hat))
    centre = x_hat if pixel_decoder.mean_from == "x_hat" else whole
    np.testing.assert_array_equal(found["mean"], nearest(pixel_decoder, centre))
    assert np.any(nearest(pixel_decoder, x_hat) != nearest(pixel_decoder, whole))
    assert found["mean"].dtype == np.uint8


@pytest.mark.parametrize("name", PIXEL_DECODERS)
def test_draws_have_the_decoders_distribution(name):
    """Chi-square over V values of each of six pixels: a false alarm in a million.

    Scales are about half a bin, so that each pixel has some values to choose from.
    """
    pixel_decoder, num = PIXEL_DECODERS[name], 20_000
    # Noisier than the chain's first latent, for decoders as wide as their bins.
    chain = closed_form.Chain(1.0 - np.linspace(0.06, 0.3, T))
    whole, x_hat, _, z_0, prediction = given(num)
    z_0 = z_0 * np.float32(np.sqrt(chain.alpha_bar[0] / CHAIN.alpha_bar[0]))
    model = closed_form.answering(chain.log_snr, **prediction._asdict())
    draw = jax.jit(
        lambda keys: readout.to_pixels(
            readout.READOUTS["draw"].default(),
            model,
            pixel_decoder,
            z_0,
            prediction,
            keys,
            T,
        )
    )
    found = np.asarray(draw(keys(num)))

    centre = (x_hat if pixel_decoder.mean_from == "x_hat" else whole)[:1]
    std = np.sqrt(1.0 - chain.alpha_bar[0])
    if pixel_decoder.mean_from == "z_0":
        std /= np.sqrt(chain.alpha_bar[0])
    statistic, freedom = 0.0, 0
    for place in np.ndindex(SHAPE):
        # The V images of this one pixel.
        log_p = pixel_decoder.log_prob(
            jnp.arange(V)[:, None, None, None],
            jnp.full((V, 1, 1, 1), centre[(0, *place)], jnp.float32),
            jnp.float32(np.log(std)),
        )
        expected = num * np.exp(np.asarray(log_p, np.float64))
        counts = np.bincount(found[(slice(None), *place)], minlength=V)
        kept = expected > 5.0
        assert counts[~kept].sum() < 60
        statistic += np.sum((counts - expected)[kept] ** 2 / expected[kept])
        freedom += kept.sum() - 1
    assert freedom > 8
    assert statistic < scipy.stats.chi2.isf(1e-6, freedom)


@pytest.mark.parametrize("end", readout.READOUTS)
def test_an_image_depends_on_its_own_key_alone(end):
    pixel_decoder = PIXEL_DECODERS["gaussian"]
    _, _, model, z_0, prediction = given(4)
    many = np.asarray(
        readout.to_pixels(
            readout.READOUTS[end].default(),
            model,
            pixel_decoder,
            z_0,
            prediction,
            keys(4),
            T,
        )
    )
    one = readout.to_pixels(
        readout.READOUTS[end].default(),
        model,
        pixel_decoder,
        z_0[2:3],
        prediction._replace(x=prediction.x[2:3]),
        keys(4)[2:3],
        T,
    )
    np.testing.assert_array_equal(one[0], many[2])


def test_the_drawn_scale_is_that_of_the_bound():
    """A learned variance makes it an image, from the posterior's to the forward's."""
    pixel_decoder = DiscretizedGaussian(256)
    num, shape = 20_000, (1, 2, 1)
    fraction = jnp.broadcast_to(jnp.array([0.0, 1.0]), (num, 2)).reshape(num, *shape)
    zeros = jnp.zeros((num, *shape))
    prediction = Prediction(zeros, zeros, fraction)
    model = closed_form.answering(CHAIN.log_snr, **prediction._asdict())
    found = pixel_decoder.encode(
        readout.to_pixels(
            readout.READOUTS["draw"].default(),
            model,
            pixel_decoder,
            zeros,
            prediction,
            keys(num),
            T,
        )
    )
    # A bin's own spread comes on top.
    variances = (
        np.var(np.asarray(found), axis=0).ravel() - pixel_decoder.bin_width**2 / 12.0
    )
    expected = [CHAIN.reverse_variance(0, np.array(share)) for share in (0.0, 1.0)]
    np.testing.assert_allclose(variances, expected, rtol=5 * np.sqrt(2.0 / num))


def test_ends_that_do_not_draw_need_no_key():
    """Other keys, same pixels."""
    pixel_decoder = PIXEL_DECODERS["categorical"]
    _, _, model, z_0, prediction = given()
    for end in ("denoise", "mean"):
        first, second = (
            readout.to_pixels(
                readout.READOUTS[end].default(),
                model,
                pixel_decoder,
                z_0,
                prediction,
                some,
                T,
            )
            for some in (keys(4), keys(8)[4:])
        )
        np.testing.assert_array_equal(first, second)


def test_the_mean_is_the_one_of_the_bound():
    """What `terms.reconstruction` weighs the data against."""
    whole, x_hat, model, z_0, prediction = given()
    for pixel_decoder in PIXEL_DECODERS.values():
        centre, log_std = terms.decoder(
            model.log_snr, pixel_decoder, z_0, prediction, T
        )
        assert dataclasses.is_dataclass(pixel_decoder)
        expected = x_hat if pixel_decoder.mean_from == "x_hat" else whole
        np.testing.assert_allclose(centre, expected, rtol=1e-5)
        alpha_bar = CHAIN.alpha_bar[0]
        variance = 1.0 - alpha_bar
        if pixel_decoder.mean_from == "z_0":
            variance /= alpha_bar
        np.testing.assert_allclose(log_std, 0.5 * np.log(variance), rtol=1e-5)
