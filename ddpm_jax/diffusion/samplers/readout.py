"""Readouts: pixels from the last latent, the same for all samplers.

denoise   the pixel values nearest to x_hat(z_0), the network's estimate
mean      those nearest to the decoder's mean, which is x_hat(z_0) or z_0 / alpha_0
draw      a draw of the decoder p(pixels | z_0): what the bound's own model draws
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Key

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import LogStd, PixelDecoder, PixelImages

Keys = Key[Array, " batch"]
# () -> mean and log scale of p(pixels | z_0).
Decoder = Callable[[], tuple[Images, LogStd]]


def _denoise(
    pixel_decoder: PixelDecoder, x_hat: Images, decoder: Decoder, keys: Keys
) -> PixelImages:
    return pixel_decoder.decode(x_hat)


def _mean(
    pixel_decoder: PixelDecoder, x_hat: Images, decoder: Decoder, keys: Keys
) -> PixelImages:
    centre, _ = decoder()
    return pixel_decoder.decode(centre)


def _draw(
    pixel_decoder: PixelDecoder, x_hat: Images, decoder: Decoder, keys: Keys
) -> PixelImages:
    centre, log_std = decoder()
    return pixel_decoder.draw(keys, centre, jnp.broadcast_to(log_std, centre.shape))


# (decoder of pixels, x_hat, the decoder's distribution, keys) -> pixels.
Readout = Callable[[PixelDecoder, Images, Decoder, Array], PixelImages]
# "reads_z_0": the pixels depend on z_0 itself, to which the times must lead.
READS_Z_0 = frozenset({"reads_z_0"})
READOUTS: Table = {
    "denoise": Choice(Options, lambda _: _denoise),
    "mean": Choice(Options, lambda _: _mean, READS_Z_0),
    "draw": Choice(Options, lambda _: _draw, READS_Z_0),
}


def to_pixels(
    readout: Readout,
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    z_0: Images,
    prediction: Prediction,
    keys: Keys,
    num_steps: int,
) -> PixelImages:
    """Pixel values of the last latent, 0..V-1 or real numbers, by a readout.

    Args:
      readout: the function that one of `READOUTS` makes.
      diffusion: the model.
      pixel_decoder: the model's pixel decoder.
      z_0: the last latent.
      prediction: the prediction at z_0.
      keys: one for each image, for readouts that draw.
      num_steps: number T of the model's latents.
    """

    def decoder() -> tuple[Images, LogStd]:
        return terms.decoder(
            diffusion.log_snr, pixel_decoder, z_0, prediction, num_steps
        )

    return readout(pixel_decoder, prediction.x, decoder, keys)
