"""The bound on the likelihood of a chain of T latents, in its three terms.

    -log p(x) <= KL(q(z_1|x) || N(0, I))                                     prior
               + sum_{k=1}^{T-1} E KL(q(z_{k-1}|z_k, x) || p(z_{k-1}|z_k))   diffusion
               + E[-log p(x | z_0)]                                          reconstruction

All in nats an example. The prior is in closed form; the other two are means over noise,
estimated by `full` from every transition or by `stratified` from a few of them.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.diffusion import gaussian
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.times import grid_time


class Codec(Protocol):
    """Pixels to data and back; `pixels.py` has those there are."""

    def encode(self, pixels: Array) -> Array:
        """Pixels, integers -> x, floats."""

    def log_prob(self, pixels: Array, mean: Array, log_std: Array) -> Array:
        """log p(pixels | mean, std) of each example, in nats, [batch]."""


class Terms(NamedTuple):
    """One number an example for each term of the bound."""

    prior: Float[Array, " batch"]
    diffusion: Float[Array, " batch"]
    reconstruction: Float[Array, " batch"]

    @property
    def total(self) -> Float[Array, " batch"]:
        return self.prior + self.diffusion + self.reconstruction


class Estimate(NamedTuple):
    """The bound of each example, and how far chance in the noise may have moved it.

    The standard error of a mean over n examples is sqrt(sum(draw_variance.total)) / n
    over draws, and std(terms.total) / sqrt(n) over draws and examples together.

    Attributes:
      terms: mean over draws, in nats.
      draw_variance: unbiased estimate of the variance of each of `terms` over draws, in
        nats squared. Terms are drawn independently, so that theirs add up.
    """

    terms: Terms
    draw_variance: Terms


def bits_per_dim(nats: Float[Array, "*shape"], num_dims: int) -> Float[Array, "*shape"]:
    """From nats an example of num_dims dimensions to bits a dimension."""
    return nats / (num_dims * math.log(2.0))


def prior(diffusion: Diffusion, x: Images) -> Float[Array, " batch"]:
    """KL(q(z_1|x) || N(0, I)), nats."""
    return gaussian.prior_kl(x, diffusion.log_snr(jnp.ones((), x.dtype)))


def transition(
    diffusion: Diffusion,
    x: Images,
    eps: Images,
    index: Int[Array, " batch"],
    num_steps: int,
) -> Float[Array, " batch"]:
    """KL of the transition from z_k to z_{k-1} at the one z_k that eps gives, nats.

    Args:
      diffusion: the model.
      x: data.
      eps: noise that leads from x to z_k, shaped like x.
      index: k of each example, 1..num_steps-1.
      num_steps: T, the number of latents.
    """
    log_snr_s = diffusion.log_snr(grid_time(index - 1, num_steps))
    t = grid_time(index, num_steps)
    log_snr_t = diffusion.log_snr(t)
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr_t), t)
    return gaussian.transition_kl(x, eps, prediction, log_snr_s, log_snr_t)


def reconstruction(
    diffusion: Diffusion, codec: Codec, pixels: Array, eps: Images, num_steps: int
) -> Float[Array, " batch"]:
    """-log p(pixels | z_0) at the one z_0 that eps gives, nats.

    The decoder's mean is x_hat(z_0); its scale follows the reverse variance, as if the
    data were one latent further (Nichol & Dhariwal 2021, arXiv:2102.09672): sigma_0 for
    the forward variance; for the posterior variance, which would be 0 there, that of the
    transition z_1 -> z_0; between the two in the logarithm when it is learned.
    """
    x = codec.encode(pixels)
    t = jnp.zeros(x.shape[:1], x.dtype)
    z_0 = gaussian.diffuse(x, eps, diffusion.log_snr(t))
    prediction = diffusion.denoise(z_0, t)
    log_std = decoder_log_std(diffusion, prediction.variance_fraction, num_steps)
    return -codec.log_prob(pixels, prediction.x, log_std)


def decoder_log_std(
    diffusion: Diffusion, fraction: Float[Array, "*shape"], num_steps: int
) -> Float[Array, "*shape"]:
    """Log of the decoder's scale, from the prediction's variance_fraction at z_0."""
    l_0, l_1 = diffusion.log_snr(grid_time(jnp.arange(2), num_steps))
    log_c = jnp.log(gaussian.noise_removed(l_0, l_1))
    # The posterior's variance is sigma_0^2 c.
    return 0.5 * (jax.nn.log_sigmoid(-l_0) + (1.0 - fraction) * log_c)


def term_at(
    diffusion: Diffusion,
    codec: Codec,
    pixels: Array,
    index: Int[Array, " batch"],
    eps: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """`reconstruction` where index is 0 and `transition` elsewhere, nats.

    One evaluation of the network, whatever the indices. Its sum over 0..T-1 and `prior`
    make the bound.
    """
    x = codec.encode(pixels)
    t = grid_time(index, num_steps)
    log_snr = diffusion.log_snr(t)
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr), t)
    return jnp.where(
        index == 0,
        _reconstruction_of
    )
