"""The terms of the bound on the likelihood, each at one time and one draw of noise, in nats.

prior              KL(q(z_1 | x) || N(0, I))
transition         KL(q(z_{k-1} | z_k, x) || p(z_{k-1} | z_k)), of a chain of T latents
integrand          the limit of its T-1 transitions as T goes to infinity
reconstruction     -log p(x | z_0)

`denoise` evaluates the model; the terms are functions of its prediction and of the schedule.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import (
    LogStd,
    PixelDecoder,
    Pixels,
    needs_network,
)
from ddpm_jax.diffusion.process.times import CONTINUOUS, grid_time


class Coordinates(NamedTuple):
    """The schedule's value and slope at a time: all that a loss in continuous time needs."""

    log_snr: Float[Array, " batch"]
    slope: Float[Array, " batch"]  # d log_snr / dt, negative.


def coordinates(log_snr: LogSnr, t: Float[Array, " batch"]) -> Coordinates:
    """The schedule's value and slope at t, the slope by forward mode."""
    return Coordinates(*jax.jvp(log_snr, (t,), (jnp.ones_like(t),)))


class Denoised(NamedTuple):
    """Data, its latent at one noise level, and the model's prediction there.

    Attributes:
      x: data.
      eps: noise, shaped like x.
      at: coordinates of the noise level on the schedule.
      z_t: latent, alpha x + sigma eps.
      prediction: the model's prediction at z_t.
    """

    x: Images
    eps: Images
    at: Coordinates
    z_t: Images
    prediction: Prediction


def denoise(
    diffusion: Diffusion,
    x: Images,
    eps: Images,
    at: Coordinates,
    t: Float[Array, " batch"],
) -> Denoised:
    """Evaluates the model once, at the latent z_t of x and eps.

    Args:
      diffusion: the model.
      x: data.
      eps: noise, shaped like x.
      at: coordinates of t on the schedule.
      t: times in [0, 1].
    """
    z_t = gaussian.diffuse(x, eps, at.log_snr)
    return Denoised(x, eps, at, z_t, diffusion.denoise(z_t, t))


def bits_per_dim(nats: Float[Array, "*shape"], num_dims: int) -> Float[Array, "*shape"]:
    """Bits per dimension, from nats of examples with num_dims dimensions."""
    return nats / (num_dims * math.log(2.0))


def prior(log_snr: LogSnr, x: Images) -> Float[Array, " batch"]:
    """The prior's term KL(q(z_1|x) || N(0, I)), in nats."""
    return gaussian.prior_kl(x, log_snr(jnp.ones((), x.dtype)))


def transition(
    log_snr: LogSnr, denoised: Denoised, index: Int[Array, " batch"], num_steps: int
) -> Float[Array, " batch"]:
    """The KL of the transition from z_k to z_{k-1} at one z_k, in nats.

    Args:
      log_snr: the schedule.
      denoised: the model's prediction at z_k.
      index: k of each example, 0..num_steps-1; at 0, where no transition starts, the KL is 0.
      num_steps: number T of latents.
    """
    log_snr_s = log_snr(grid_time(jnp.maximum(index, 1) - 1, num_steps))
    x, eps, at, _, prediction = denoised
    return gaussian.transition_kl(x, eps, prediction, log_snr_s, at.log_snr)


def span(
    log_snr: LogSnr, index: Int[Array, "*shape"], num_steps: int
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """The middle and width in log SNR of the transition from z_k, k = 1..num_steps-1."""
    before = log_snr(grid_time(index - 1, num_steps))
    after = log_snr(grid_time(index, num_steps))
    return 0.5 * (before + after), before - after


def velocity_error(denoised: Denoised) -> Images:
    """The squared error of v for each dimension, |v - v_hat|^2."""
    x, eps, at, _, prediction = denoised
    return gaussian.velocity_error(x, eps, prediction, at.log_snr)


def integrand(denoised: Denoised) -> Float[Array, " batch"]:
    """The integrand -1/2 dl/dt |eps - eps_hat|^2 in nats, whose mean over t is the term.

    At T = infinity it is the limit of the transition's KL over the transition's time (Kingma
    et al. 2021, arXiv:2107.00630, eq. 17), where every reverse variance becomes the same.
    """
    at, error = denoised.at, velocity_error(denoised)
    # |eps - eps_hat|^2 = alpha_t^2 |v - v_hat|^2.
    weight = -0.5 * at.slope * jax.nn.sigmoid(at.log_snr)
    return weight * gaussian.sum_dims(error)


def timed(
    log_snr: LogSnr, denoised: Denoised, index: Int[Array, " batch"], num_steps: int
) -> Float[Array, " batch"]:
    """The diffusion term estimated from one of its times, in nats.

    T-1 times the transition of `index`, 1..T-1, or at T = infinity the integrand: its mean
    over uniform times is the whole term.
    """
    if num_steps == CONTINUOUS:
        return integrand(denoised)
    return (num_steps - 1) * transition(log_snr, denoised, index, num_steps)


def first_latent(log_snr: LogSnr, x: Images, eps: Images) -> Images:
    """The latent z_0 of data and noise, the input of the decoder."""
    return gaussian.diffuse(x, eps, log_snr(jnp.zeros(x.shape[:1], x.dtype)))


def reconstruction(
    log_snr: LogSnr,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    z_0: Images,
    prediction: Prediction | None,
    num_steps: int,
) -> Float[Array, " batch"]:
    """The reconstruction term -log p(pixels | z_0), in nats.

    Where the decoder's mean is x_hat(z_0), its scale follows the reverse variance, as if the
    data were one latent further (Nichol & Dhariwal 2021, arXiv:2102.09672): sigma_0 for
    the forward variance; for the posterior's, which would be 0 there, that of the
    transition z_1 -> z_0; between the two in the logarithm when it is learned.

    Where it is z_0 / alpha_0, its scale is sigma_0 / alpha_0 (Kingma et al. 2021,
    arXiv:2107.00630, section 3.3), without the network. For the arguments see `decoder`.
    """
    mean, log_std = decoder(log_snr, pixel_decoder, z_0, prediction, num_steps)
    return -pixel_decoder.log_prob(pixels, mean, log_std)


def decoder(
    log_snr: LogSnr,
    pixel_decoder: PixelDecoder,
    z_0: Images,
    prediction: Prediction | None,
    num_steps: int,
) -> tuple[Images, LogStd]:
    """The mean and log scale of p(pixels | z_0), in the units of x.

    Args:
      log_snr: the schedule.
      pixel_decoder: the model's pixel decoder.
      z_0: the first latent.
      prediction: the prediction at z_0, for a decoder whose mean is x_hat.
      num_steps: number T of latents.
    """
    if not needs_network(pixel_decoder):
        log_snr_0 = log_snr(jnp.zeros((), z_0.dtype))
        alpha, _ = gaussian.alpha_sigma(log_snr_0)
        return z_0 / alpha, -0.5 * log_snr_0
    assert prediction is not None
    fraction = prediction.variance_fraction
    return prediction.x, decoder_log_std(log_snr, fraction, num_steps)


def decoder_log_std(
    log_snr: LogSnr, fraction: Float[Array, "*shape"], num_steps: int
) -> Float[Array, "*shape"]:
    """The log of the decoder's scale, from the prediction's variance_fraction at z_0."""
    l_0, l_1 = log_snr(grid_time(jnp.arange(2), num_steps))
    log_c = jnp.log(gaussian.noise_removed(l_0, l_1))
    # The posterior's variance is sigma_0^2 c.
    return 0.5 * (jax.nn.log_sigmoid(-l_0) + (1.0 - fraction) * log_c)


def latent_term(
    log_snr: LogSnr,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    denoised: Denoised,
    index: Int[Array, " batch"],
    num_steps: int,
) -> Float[Array, " batch"]:
    """The bound's term of each example's latent, in nats, for a decoder around x_hat.

    It is `reconstruction` where index is 0 and `transition` elsewhere. Its sum over 0..T-1 and
    `prior` make the bound.
    """
    kl = transition(log_snr, denoised, index, num_steps)
    # The decoder is not made for x_hat(z_k), k > 0, which may be any number: its
    # derivative there could be NaN, and 0 * NaN would reach the gradient.
    is_first = index == 0
    x, _, _, z_t, prediction = denoised
    x_hat = jnp.where(is_first[:, None, None, None], prediction.x, x)
    prediction = prediction._replace(x=x_hat)
    decoded = reconstruction(log_snr, pixel_decoder, pixels, z_t, prediction, num_steps)
    return jnp.where(is_first, decoded, kl)
