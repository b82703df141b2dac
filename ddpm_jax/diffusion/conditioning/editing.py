"""Other images from given ones: begun from noisy versions of them, or between two of them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import ddim, loop

Image = Float[Array, "height width channels"]
Fractions = Float[Array, " fractions"]


def begin(
    diffusion: Diffusion,
    x: Images,
    keys: Key[Array, " batch"],
    t: Float[Array, ""],
) -> Images:
    """z_t of x, from where a sampler makes an image like it.

    (SDEdit, Meng et al. 2022, arXiv:2108.01073.) The later t, the less is kept:
    the noise is that of `chain.sample`, so at t = 1 begins what is sampled without x, but
    for the alpha x that noise at its last log SNR leaves.

    Args:
      diffusion: the model.
      x: the images; their dtype is that of z_t.
      keys: one an image, those of the sampling to follow.
      t: the first of the times to follow, or the `start` of `flow.backward`.
    """
    _, height, width, channels = x.shape
    noise = loop.first_latent(keys, (height, width, channels), x.dtype)
    log_snr = diffusion.log_snr(jnp.full(keys.shape, t, x.dtype))
    return gaussian.diffuse(x, noise, log_snr)


def spherical(
    z_a: Image, z_b: Image, fractions: Fractions
) -> Float[Array, "fractions height width channels"]:
    """The latents on the arc from z_a to z_b, z_a itself at 0 and z_b itself at 1.

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

    of_a, of_b = (
        weight(share)[:, None, None, None] for share in (1.0 - fractions, fractions)
    )
    return of_a * z_a[None] + of_b * z_b[None]


def _angle(z_a: Image, z_b: Image) -> Float[Array, ""]:
    """Between two vectors, in [0, pi]; arccos would lose half the digits of a small one."""
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
) -> loop.Arrival:
    """Images between two: both up to noise by DDIM, along the arc, and down again.

    Args:
      diffusion: the model. One that tells examples apart is bound to one for each of the
        fractions; then the first one's is asked about x_a on the way up, and the last one's
        about x_b.
      x_a: the image at 0.
      x_b: the image at 1.
      times: decreasing, as for sampling; the way up takes them backwards.
      fractions: in [0, 1], of the way from x_a to x_b.
      num_iterations: of `ddim.inverse`; with more, the ends are nearer to the images.

    Returns:
      What DDIM arrives at, an example a fraction. The first latent above an image x is
      alpha x, so at the ends z / alpha is the image, and x_hat what the model makes of it.
    """
    pair = jnp.stack([x_a, x_b])
    first_and_last = jnp.array([0, fractions.shape[0] - 1])
    alpha, _ = gaussian.alpha_sigma(diffusion.log_snr(times[-1]))
    up = loop.follow(
        diffusion.take(first_and_last),
        ddim.inverse(num_iterations),
        times[::-1],
        alpha * pair,
        _unused_keys(2),
    )
    z = spherical(up.z[0], up.z[1], fractions)
    return loop.follow(diffusion, ddim.make(), times, z, _unused_keys(z.shape[0]))


def _unused_keys(num: int) -> Key[Array, " num"]:
    """For samplers that draw nothing."""
    return jax.random.split(jax.random.key(0), num)
