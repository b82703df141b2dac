"""What decoders of pixels promise, of each in the table.

The decoder of real numbers, which rounds nothing, has tests of its own.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process.pixel_decoder import (
    PixelDecoder,
    check_num_values,
    needs_network,
)
from ddpm_jax.models.table import DECODER_MEANS, PIXEL_DECODERS

EACH = pytest.mark.parametrize("name", PIXEL_DECODERS)
OF_VALUES = pytest.mark.parametrize(
    "name", [n for n, c in PIXEL_DECODERS.items() if not c.has("continuous")]
)


@OF_VALUES
@pytest.mark.parametrize("num_values", [2, 17, 256])
def test_pixels_go_there_and_back_and_lie_a_width_apart(name, num_values):
    decoder = PIXEL_DECODERS[name].default(num_values, "z_0")
    assert isinstance(decoder, PixelDecoder)
    assert (decoder.num_values, decoder.mean_from) == (num_values, "z_0")
    pixels = jnp.arange(num_values).reshape(1, 1, -1, 1)
    x = decoder.encode(pixels)
    np.testing.assert_allclose(
        np.diff(np.asarray(x).ravel()), decoder.bin_width, rtol=1e-3
    )
    np.testing.assert_array_equal(decoder.decode(x), pixels)
    np.testing.assert_allclose(decoder.from_values(pixels.astype(float)), x, atol=1e-6)
    np.testing.assert_allclose(decoder.values(x), pixels, atol=1e-3)


@EACH
@pytest.mark.parametrize("mean", DECODER_MEANS)
def test_a_decoder_asks_the_network_where_its_choice_says_so(name, mean):
    choice = DECODER_MEANS[mean]
    decoder = PIXEL_DECODERS[name].default(17, choice.default())
    assert needs_network(decoder) == choice.has("needs_network")


@OF_VALUES
def test_a_draw_is_of_its_key_and_near_its_mean_where_the_scale_is_small(name):
    decoder = PIXEL_DECODERS[name].default(17, "x_hat")
    pixels = jnp.arange(16).reshape(1, 4, 4, 1).repeat(3, axis=0)
    keys = jax.random.split(jax.random.key(0), 3)

    def drawn(keys, scale):
        log_std = jnp.full(pixels.shape, np.log(scale))
        return decoder.draw(keys, decoder.encode(pixels), log_std)

    np.testing.assert_array_equal(drawn(keys, 1e-3), pixels)
    wide = drawn(keys, 0.5)
    assert wide.dtype == jnp.uint8 and wide.max() <= 16
    assert len({np.asarray(image).tobytes() for image in wide}) == 3
    np.testing.assert_array_equal(drawn(keys[::-1], 0.5), wide[::-1])


@pytest.mark.parametrize("num_values", [1, 0, 257])
def test_numbers_of_values_that_there_are_not(num_values):
    with pytest.raises(ValueError, match=f"num_values={num_values}: .* 2 to 256"):
        check_num_values(num_values)
    check_num_values(2)
    check_num_values(256)
