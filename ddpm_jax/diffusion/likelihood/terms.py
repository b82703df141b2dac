"""The terms of the bound on the likelihood, each at one time and one draw of noise, in nats.

prior              KL(q(z_1 | x) || N(0, I))
transition         KL(q(z_{k-1} | z_k, x) || p(z_{k-1} | z_k)), of a chain of T latents
integrand          what its T-1 transitions become as T goes to infinity
reconstruction     -log p(x | z_0)
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import LogStd, PixelDecoder, Pixels
from ddpm_jax.diffusion.process.times import CONTINUOUS, grid_time


class Coordinates(NamedTuple):
    """Where on a schedule a time is: all that a loss in continuous time takes from it."""

    log_snr: Float[Array, " batch"]
    slope: Float[Array, " batch"]  # d log_snr / dt, negative.


def coordinates(log_snr: LogSnr, t: Float[Array, " batch"]) -> Coordinates:
    """The schedule's value and slope at t, the slope by forward mode."""
    return Coordinates(*jax.jvp(log_snr, (t,), (jnp.ones_like(t),)))


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


def span(
    log_snr: LogSnr, index: Int[Array, "*shape"], num_steps: int
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """Middle and width in log SNR of the transition of z_k, k = 1..num_steps-1."""
    before = log_snr(grid_time(index - 1, num_steps))
    after = log_snr(grid_time(index, num_steps))
    return 0.5 * (before + after), before - after


def integrand(
    diffusion: Diffusion,
    x: Images,
    eps: Images,
    at: Coordinates,
    t: Float[Array, " batch"],
) -> Float[Array, " batch"]:
    """-1/2 dl/dt |eps - eps_hat|^2, nats; its mean over t is the term at T = infinity.

    It is the transition's KL over the time it takes, as that goes to 0 (Kingma et al. 2021,
    arXiv:2107.00630, eq. 17), where every reverse variance becomes the same.

    Args:
      diffusion: the model.
      x: data.
      eps: noise that leads from x to z_t, shaped like x.
      at: the coordinates of t.
      t: in [0, 1].
    """
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, at.log_snr), t)
    error = gaussian.velocity_error(x, eps, prediction, at.log_snr)
    # |eps - eps_hat|^2 = alpha_t^2 |v - v_hat|^2.
    weight = -0.5 * at.slope * jax.nn.sigmoid(at.log_snr)
    return weight * gaussian.sum_dims(error)


def timed(
    diffusion: Diffusion,
    x: Images,
    eps: Images,
    index: Int[Array, " batch"],
    t: Float[Array, " batch"],
    num_steps: int,
) -> Float[Array, " batch"]:
    """The diffusion term from one of its times, nats.

    T-1 times the transition of `index`, 1..T-1, or at T = infinity the integrand at t: its
    mean over uniform times is the whole term.
    """
    if num_steps == CONTINUOUS:
        return integrand(diffusion, x, eps, coordinates(diffusion.log_snr, t), t)
    return (num_steps - 1) * transition(diffusion, x, eps, index, num_steps)


def reconstruction(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    eps: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """-log p(pixels | z_0) at the one z_0 that eps gives, nats.

    Where the decoder's mean is x_hat(z_0), its scale follows the reverse variance, as if the
    data were one latent further (Nichol & Dhariwal 2021, arXiv:2102.09672): sigma_0 for
    the forward variance; for the posterior's, which would be 0 there, that of the
    transition z_1 -> z_0; between the two in the logarithm when it is learned.

    Where it is z_0 / alpha_0, its scale is sigma_0 / alpha_0 (Kingma et al. 2021,
    arXiv:2107.00630, section 3.3), and the network is not asked.
    """
    x = pixel_decoder.encode(pixels, eps.dtype)
    t = jnp.zeros(x.shape[:1], x.dtype)
    z_0 = gaussian.diffuse(x, eps, diffusion.log_snr(t))
    prediction = (
        diffusion.denoise(z_0, t) if pixel_decoder.mean_from == "x_hat" else None
    )
    return -pixel_decoder.log_prob(
        pixels, *decoder(diffusion, pixel_decoder, z_0, prediction, num_steps)
    )


def decoder(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    z_0: Images,
    prediction: Prediction | None,
    num_steps: int,
) -> tuple[Images, LogStd]:
    """Mean and log scale of p(pixels | z_0), in the units of x.

    Args:
      diffusion: the model.
      pixel_decoder: whose decoder it is.
      z_0: the first latent.
      prediction: the network's at z_0, for a decoder whose mean is x_hat.
      num_steps: T, the number of latents.
    """
    if pixel_decoder.mean_from == "z_0":
        log_snr = diffusion.log_snr(jnp.zeros((), z_0.dtype))
        alpha, _ = gaussian.alpha_sigma(log_snr)
        return z_0 / alpha, -0.5 * log_snr
    assert prediction is not None
    fraction = prediction.variance_fraction
    return prediction.x, decoder_log_std(diffusion, fraction, num_steps)


def decoder_log_std(
    diffusion: Diffusion, fraction: Float[Array, "*shape"], num_steps: int
) -> Float[Array, "*shape"]:
    """Log of the decoder's scale, from the prediction's variance_fraction at z_0."""
    l_0, l_1 = diffusion.log_snr(grid_time(jnp.arange(2), num_steps))
    log_c = jnp.log(gaussian.noise_removed(l_0, l_1))
    # The posterior's variance is sigma_0^2 c.
    return 0.5 * (jax.nn.log_sigmoid(-l_0) + (1.0 - fraction) * log_c)


def evaluated(
    diffusion: Diffusion, x: Images, t: Float[Array, " batch"], eps: Images
) -> Diffusion:
    """The model with its answer at the z_t that x and eps give, whatever it is asked.

    Several functions of the model at one z_t then share one evaluation of the network.
    """
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, diffusion.log_snr(t)), t)
    return dataclasses.replace(diffusion, denoise=lambda z_t, t: prediction)


def term_at(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    index: Int[Array, " batch"],
    eps: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """`reconstruction` where index is 0 and `transition` elsewhere, nats.

    One evaluation of the network, whatever the indices. Its sum over 0..T-1 and `prior`
    make the bound.
    """
    x = pixel_decoder.encode(pixels, eps.dtype)
    answer = evaluated(diffusion, x, grid_time(index, num_steps), eps)
    kl = transition(answer, x, eps, jnp.maximum(index, 1), num_steps)

    # The decoder is not made for x_hat(z_k), k > 0, which may be any number: its
    # derivative there could be NaN, and 0 * NaN would reach the gradient.
    def decodable(z_t: Array, t: Array) -> Prediction:
        prediction = answer.denoise(z_t, t)
        first = (index == 0)[:, None, None, None]
        return prediction._replace(x=jnp.where(first, prediction.x, x))

    decoder = dataclasses.replace(answer, denoise=decodable)
    log_loss = reconstruction(decoder, pixel_decoder, pixels, eps, num_steps)
    return jnp.where(index == 0, log_loss, kl)
