"""From the last latent to pixels, the same for all samplers.

denoise   the nearest to x_hat(z_0), the network's estimate
mean      the nearest to the decoder's mean, which is x_hat(z_0) or z_0 / alpha_0
draw      a draw of the decoder, p(pixels | z_0)
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Key, UInt8

from ddpm_jax.diffusion import terms
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.pixels import Codec

PixelImages = UInt8[Array, "batch height width channels"]
# (model, codec, z_0, prediction at z_0, one key an image, T) -> pixel values.
End = Callable[[Diffusion, Codec, Images, Prediction, Array, int], PixelImages]


def denoise(
    diffusion: Diffusion,
    codec: Codec,
    z_0: Images,
    prediction: Prediction,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> PixelImages:
    """The network's last word."""
    return codec.decode(prediction.x)


def mean(
    diffusion: Diffusion,
    codec: Codec,
    z_0: Images,
    prediction: Prediction,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> PixelImages:
    """What the decoder takes for the most likely."""
    centre, _ = terms.decoder(diffusion, codec, z_0, prediction, num_steps)
    return codec.decode(centre)


def draw(
    diffusion: Diffusion,
    codec: Codec,
    z_0: Images,
    prediction: Prediction,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> PixelImages:
    """What the model of the variational bound draws: its samples have that likelihood."""
    centre, log_std = terms.decoder(diffusion, codec, z_0, prediction, num_steps)
    return codec.draw(keys, centre, jnp.broadcast_to(log_std, centre.shape))


ENDS: dict[str, End] = {"denoise": denoise, "mean": mean, "draw": draw}
