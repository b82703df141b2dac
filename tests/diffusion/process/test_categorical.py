"""The categorical decoder, against a plain softmax in float64 and by its memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder

SHAPE = (3, 4, 5, 2)


def plain_log_prob(pixels, mean, log_std, num_values):
    """log p of each pixel, by writing all V exponents down."""
    values = (2.0 * np.arange(num_values) + 1.0) / num_values - 1.0
    exponents = -0.5 * ((mean[..., None] - values) / np.exp(log_std)[..., None]) ** 2
    log_p = scipy.special.log_softmax(exponents, axis=-1)
    return np.take_along_axis(log_p, pixels[..., None], axis=-1)[..., 0]


def draws(num_values, spread=1.2):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, num_values, SHAPE)
    return pixels, rng.uniform(-spread, spread, SHAPE)


@pytest.mark.parametrize("std", [1e-4, 1.3e-3, 0.02, 0.3, 5.0])
@pytest.mark.parametrize("num_values", [2, 17, 256])
def test_log_prob_is_the_plain_softmaxs(num_values, std):
    pixels, mean = draws(num_values)
    log_std = np.full(SHAPE, np.log(std))
    expected = plain_log_prob(pixels, mean, log_std, num_values).sum(axis=(1, 2, 3))
    with jax.enable_x64(True):
        got = Categorical(num_values).log_prob(
            jnp.asarray(pixels), jnp.asarray(mean), jnp.asarray(np.log(std))
        )
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    got = Categorical(num_values).log_prob(
        jnp.asarray(pixels), jnp.asarray(mean, jnp.float32), jnp.float32(np.log(std))
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("num_values", [2, 17, 256])
def test_probabilities_of_all_values_sum_to_1(num_values):
    pixels = jnp.arange(num_values)[:, None, None, None]
    for mean in (-1.5, 0.013, 0.999):
        log_p = Categorical(num_values).log_prob(
            pixels, jnp.full(pixels.shape, mean), jnp.asarray(-3.0)
        )
        np.testing.assert_allclose(np.exp(log_p).sum(), 1.0, rtol=1e-5)


@pytest.mark.parametrize("std", [2e-3, 0.05, 1.0])
@pytest.mark.parametrize("num_values", [17, 256])
def test_gradients_are_those_of_the_plain_softmax(num_values, std):
    pixels, mean = draws(num_values)
    log_std = np.log(std) + 0.1 * draws(num_values)[1]
    step = 1e-6

    def difference(of_mean, of_log_std):
        ends = [
            plain_log_prob(
                pixels, mean + s * of_mean, log_std + s * of_log_std, num_values
            )
            for s in (step, -step)
        ]
        return (ends[0] - ends[1]) / (2.0 * step)

    with jax.enable_x64(True):
        got = jax.grad(
            lambda m, s: jnp.sum(
                Categorical(num_values).log_prob(jnp.asarray(pixels), m, s)
            ),
            (0, 1),
        )(jnp.asarray(mean), jnp.asarray(log_std))
    scale = 1.0 / std**2  # A tenth of what differences of exponents lose at this step.
    np.testing.assert_allclose(
        got[0], difference(1.0, 0.0), rtol=1e-5, atol=1e-5 * scale
    )
    np.testing.assert_allclose(
        got[1], difference(0.0, 1.0), rtol=1e-5, atol=1e-5 * scale
    )


def test_memory_is_that_of_a_few_batches_of_images():
    shape = (64, 32, 32, 3)
    pixel_decoder = Categorical(256)
    pixels = jax.ShapeDtypeStruct(shape, jnp.uint8)
    mean = jax.ShapeDtypeStruct(shape, jnp.float32)

    def total(mean, log_std, pixels):
        return jnp.sum(pixel_decoder.log_prob(pixels, mean, log_std))

    compiled = jax.jit(jax.grad(total, (0, 1))).lower(
        mean, jax.ShapeDtypeStruct((), jnp.float32), pixels
    )
    used = compiled.compile().memory_analysis().temp_size_in_bytes
    assert used <= 16 * 4 * np.prod(shape)


def test_encoding_is_the_papers_and_decodes_to_itself():
    pixels = jnp.arange(256)[:, None, None, None]
    x = Categorical(256).encode(pixels)
    np.testing.assert_allclose(x[:, 0, 0, 0], 2.0 * (np.arange(256) + 0.5) / 256 - 1.0)
    np.testing.assert_array_equal(Categorical(256).decode(x), pixels)
    beyond = Categorical(17).decode(jnp.asarray([-3.0, 3.0])[:, None, None, None])
    np.testing.assert_array_equal(beyond[:, 0, 0, 0], [0, 16])
    assert isinstance(Categorical(17), PixelDecoder)


@pytest.mark.parametrize("num_values", [0, 1, 257])
def test_a_number_of_values_that_cannot_be_is_an_error(num_values):
    with pytest.raises(ValueError, match=f"num_values={num_values}"):
        Categorical(num_values)


@pytest.mark.parametrize("num_values", [2, 17, 256])
def test_values_and_from_values_are_each_others_inverse(num_values):
    pixel_decoder = Categorical(num_values)
    k = jnp.arange(num_values)[:, None, None, None]
    of_integers = pixel_decoder.from_values(k.astype(jnp.float32))
    np.testing.assert_allclose(of_integers, pixel_decoder.encode(k), atol=3e-7)
    between = jnp.linspace(-1.5, num_values + 0.5, 97)[:, None, None, None]
    x = pixel_decoder.from_values(between)
    # Half a value from -1 stands the first.
    want = (np.asarray(between, np.float64) + 0.5) * pixel_decoder.bin_width - 1.0
    np.testing.assert_allclose(x, want, atol=1e-6)
    np.testing.assert_allclose(pixel_decoder.values(x), between, atol=5e-7 * num_values)
