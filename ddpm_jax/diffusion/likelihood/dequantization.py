"""Dequantisation: latents with a density for pixel values, z_0 ~ q(z_0 | pixels).

    log P(pixels) >= E_q[log p(z_0) + log p(pixels | z_0) - log q(z_0 | pixels)]

for any q. The last two terms are what a draw returns beside z_0, as its log weight; with the
density log p(z_0) of a model they make a bound on the probability of pixels (Theis et al. 2016,
arXiv:1511.01844; Ho et al. 2019, arXiv:1902.00275), and with several draws a closer one.

    uniform           z_0 = alpha_0 (x + u), u uniform over the bin of the pixel's value
    truncated_normal  z_0 = alpha_0 x + sigma_0 eps, eps normal and cut where z_0 / alpha_0
                      would leave the bin (Zheng et al. 2023, arXiv:2305.03935)
    decoder           z_0 = alpha_0 x + sigma_0 eps as in training, with the model's own decoder
                      p(pixels | z_0), as in the variational bound
    none              of continuous data: z_0 = alpha_0 x, without noise; the density of x is
                      that of z_0 times alpha_0^D, exactly

For the first two, p(pixels | z_0) is 1 in the bin, which continuous data have not. All
constants come from the log SNR that the schedule has at t = 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, erfc
from jaxtyping import Array, Float, Key

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.discretized_gaussian import LOG_SQRT_2PI
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder, Pixels, needs_network


class Dequantized(NamedTuple):
    """A draw of q(z_0 | pixels).

    Attributes:
      z_0: the latent.
      log_weight: log p(pixels | z_0) - log q(z_0 | pixels) of each example, in nats.
      num_evaluations: evaluations of the network for each example.
    """

    z_0: Images
    log_weight: Float[Array, " batch"]
    num_evaluations: int = 0


Dequantization = Callable[
    [Diffusion, PixelDecoder, Pixels, Key[Array, " batch"], int], Dequantized
]


def uniform(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> Dequantized:
    """Uniform dequantisation over the bin; log q = -D log(alpha_0 width)."""
    x, log_snr = _start(diffusion, pixel_decoder, pixels)
    alpha, _ = gaussian.alpha_sigma(log_snr)

    def draw(key: Array) -> Array:
        return jax.random.uniform(key, x.shape[1:], x.dtype, -0.5, 0.5)

    z_0 = alpha * (x + pixel_decoder.bin_width * jax.vmap(draw)(keys))
    log_volume = x[0].size * jnp.log(alpha * pixel_decoder.bin_width)
    return Dequantized(z_0, jnp.full(x.shape[:1], log_volume))


def truncated_normal(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> Dequantized:
    """The latents of training, truncated to the bin: |eps| < alpha_0 width / (2 sigma_0)."""
    x, log_snr = _start(diffusion, pixel_decoder, pixels)
    tau = cut(log_snr, pixel_decoder.bin_width)

    def draw(key: Array) -> Array:
        return jax.random.truncated_normal(key, -tau, tau, x.shape[1:], x.dtype)

    eps = jax.vmap(draw)(keys)
    z_0, log_normal = _noised(x, log_snr, eps)
    return Dequantized(z_0, -gaussian.sum_dims(log_normal - log_mass(tau)))


def decoder(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> Dequantized:
    """The latents of training, with the decoder of the variational bound."""
    x, log_snr = _start(diffusion, pixel_decoder, pixels)
    eps = gaussian.normal(keys, x.shape[1:], x.dtype)
    z_0, log_q = _noised(x, log_snr, eps)
    num_evaluations = int(needs_network(pixel_decoder))
    first = jnp.zeros(x.shape[:1], x.dtype)
    decoded = -terms.reconstruction(
        diffusion.log_snr,
        pixel_decoder,
        pixels,
        z_0,
        diffusion.denoise(z_0, first) if num_evaluations else None,
        num_steps,
    )
    log_weight = decoded - gaussian.sum_dims(log_q)
    return Dequantized(z_0, log_weight, num_evaluations)


def none(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    keys: Key[Array, " batch"],
    num_steps: int,
) -> Dequantized:
    """z_0 = alpha_0 x: a change of variables from the data to z_0, without noise."""
    x, log_snr = _start(diffusion, pixel_decoder, pixels)
    alpha, _ = gaussian.alpha_sigma(log_snr)
    # Its derivative: alpha_0 units of z_0 in a unit of x.
    log_derivative = x[0].size * jnp.log(alpha * pixel_decoder.bin_width)
    return Dequantized(alpha * x, jnp.full(x.shape[:1], log_derivative))


# Each makes a `Dequantization`. "needs_bins": the data are pixel values; "needs_real_numbers":
# they are continuous.
DEQUANTIZATIONS: Table = {
    "uniform": Choice(Options, lambda _: uniform, frozenset({"needs_bins"})),
    "truncated_normal": Choice(
        Options, lambda _: truncated_normal, frozenset({"needs_bins"})
    ),
    "decoder": Choice(Options, lambda _: decoder),
    "none": Choice(Options, lambda _: none, frozenset({"needs_real_numbers"})),
}


def cut(log_snr_0: Float[Array, "*shape"], bin_width: float) -> Float[Array, "*shape"]:
    """The truncation tau: half a bin's width in units of sigma_0 / alpha_0."""
    return 0.5 * bin_width * jnp.exp(0.5 * log_snr_0)


def log_mass(tau: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """log P(|eps| < tau) of a standard normal eps."""
    scaled = tau / jnp.sqrt(2.0).astype(tau.dtype)
    # erf rounds to 1 where erfc is still far from 0.
    return jnp.where(tau < 1.0, jnp.log(erf(scaled)), jnp.log1p(-erfc(scaled)))


def _start(
    diffusion: Diffusion, pixel_decoder: PixelDecoder, pixels: Pixels
) -> tuple[Images, Float[Array, ""]]:
    x = pixel_decoder.encode(pixels)
    log_snr = diffusion.log_snr(jnp.zeros((), x.dtype))
    return x, log_snr


def _noised(x: Images, log_snr: Float[Array, ""], eps: Images) -> tuple[Images, Images]:
    """alpha_0 x + sigma_0 eps, and the log density there of N(alpha_0 x, sigma_0^2)."""
    alpha, sigma = gaussian.alpha_sigma(log_snr)
    log_density = -0.5 * jnp.square(eps) - LOG_SQRT_2PI - jnp.log(sigma)
    return alpha * x + sigma * eps, log_density
