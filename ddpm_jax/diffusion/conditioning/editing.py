"""Edits of images: variations from their noised versions, and interpolation of two."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import ddim, loop

Image = Float[Array, "height width channels"]
Fractions = Float[Array, " fractions"]


def noised(
    diffusion: Diffusion,
    x: Images,
    keys: Key[Array, " batch"],
    t: Float[Array, ""],
) -> Images:
    """The latents z_t of images x, from which a sampler makes images like them.

    (SDEdit, Meng et al. 2022, arXiv:2108.01073.) The later t, the less is kept. The noise is
    that of `loop.sample`: at t = 1 the latent is that of a sample without x, up to the alpha x
    that remains at the last log SNR.

    Args:
      diffusion: the model.
      x: the images; their dtype is that of z_t.
      keys: one for each image, the keys of the sampling to follow.
      t: first time of the sampling to follow, or the `start` of `probability_flow.backward`.
    """
    _, height, width, channels = x.shape
    noise = loop.first_latent(keys, (height, width, channels), x.dtype)
    log_snr = diffusion.log_snr(jnp.full(keys.shape, t, x.dtype))
    return gaussian.diffuse(x, noise, log_snr)


def spherical(
    z_a: Image, z_b: Image, fractions: Fractions
) -> Float[Array, "fractions height width channels"]:
    """Spherical interpolation: latents on the arc from z_a at fraction 0 to z_b at 1.

        sin((1 - f) angle) / sin(angle) z_a + sin(f angle) / sin(angle) z_b

    (White 2016, arXiv:1609.04468; Song et al. 2021, arXiv:2010.02502, appendix D.5.) Halfway
    on the straight line between two draws of noise is a latent 0.7 times as long as noise
    is. Where the arc has no length or no single direction, it is the straight line.
    """
    angle = _angle(z_a, z_b)
    sine = jnp.sin(angle)
    is_line = sine < 1e-6
    divisor = jnp.where(is_line, 1.0, sine)

    def weight(share: Fractions) -> Fractions:
        on_arc = jnp.where(is_line, share, jnp.sin(share * angle) / divisor)
        # sin(x) / sin(x) need not be 1 if one of a vector's and one of a number's.
        return jnp.where(share == 1.0, 1.0, on_arc)

    weight_a, weight_b = (
        weight(share)[:, None, None, None] for share in (1.0 - fractions, fractions)
    )
    return weight_a * z_a[None] + weight_b * z_b[None]


def _angle(z_a: Image, z_b: Image) -> Float[Array, ""]:
    """The angle between two vectors, in [0, pi]; arccos would lose a small one's digits."""
    a, b = (z / jnp.maximum(_length(z), jnp.finfo(z.dtype).tiny) for z in (z_a, z_b))
    return 2.0 * jnp.arctan2(_length(a - b), _length(a + b))


def _length(z: Image) -> Float[Array, ""]:
    return jnp.sqrt(jnp.sum(jnp.square(z)))


def interpolate(
    diffusion: Diffusion,
    x_a: Image,
    x_b: Image,
    times: loop.Times,
    fractions: Fractions,
    num_iterations: int = 3,
) -> loop.Result:
    """Interpolation of two images: DDIM inversion, spherical interpolation, and DDIM.

    Args:
      diffusion: the model. One that depends on the example has one for each fraction; x_a is
        inverted as the first of them, and x_b as the last.
      x_a: the image at fraction 0.
      x_b: the image at fraction 1.
      times: decreasing, as for sampling; inversion takes them backwards.
      fractions: positions in [0, 1] between x_a and x_b.
      num_iterations: iterations of `ddim.inverse`; more bring the ends nearer to the images.

    Returns:
      The result of DDIM, one example for each fraction. Inversion starts an image x at
      z = alpha x, so at the ends z / alpha is the image, and x_hat the model's estimate of it.
    """
    pair = jnp.stack([x_a, x_b])
    first_and_last = jnp.array([0, fractions.shape[0] - 1])
    alpha, _ = gaussian.alpha_sigma(diffusion.log_snr(times[-1]))
    inverted = loop.sample_from(
        diffusion.take(first_and_last),
        ddim.inverse(num_iterations),
        times[::-1],
        alpha * pair,
        _unused_keys(2),
    )
    z = spherical(inverted.z[0], inverted.z[1], fractions)
    return loop.sample_from(diffusion, ddim.make(), times, z, _unused_keys(z.shape[0]))


def _unused_keys(num: int) -> Key[Array, " num"]:
    """Keys for samplers that draw no noise."""
    return jax.random.split(jax.random.key(0), num)
