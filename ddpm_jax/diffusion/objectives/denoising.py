"""Losses of the denoiser, one for each example, at one time and one draw of noise.

Each takes a `Diffusion` and evaluates it once, by `terms.denoise`.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.likelihood.terms import Denoised
from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.objectives.weightings import Weighting
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder, Pixels, needs_network
from ddpm_jax.diffusion.process.times import grid_time


class LossTerms(NamedTuple):
    """The loss of each example, in two parts.

    Attributes:
      timed: part at the drawn time, to be weighted where times are not uniform.
      rest: part that does not depend on the time.
    """

    timed: Float[Array, " batch"]
    rest: Float[Array, " batch"]

    @property
    def total(self) -> Float[Array, " batch"]:
        return self.timed + self.rest


def weighted(
    diffusion: Diffusion,
    weighting: Weighting,
    x: Images,
    t: Float[Array, " batch"],
    eps: Images,
) -> Float[Array, " batch"]:
    """The weighted error of the denoiser, mean over dimensions.

    With `weightings.simple` a model that predicts eps_hat = 0 has a loss of 1.

    Args:
      diffusion: the model.
      weighting: weighting of |v - v_hat|^2.
      x: data.
      t: times in [0, 1]; uniform, unless the caller weights the loss.
      eps: standard normal noise, shaped like x.
    """
    at = terms.coordinates(diffusion.log_snr, t)
    return _weighted_error(weighting, terms.denoise(diffusion, x, eps, at, t))


def _weighted_error(weighting: Weighting, denoised: Denoised) -> Float[Array, " batch"]:
    weight = weighting.weight(denoised.at.log_snr)
    if weighting.per_log_snr:
        weight = -denoised.at.slope * weight
    return weight * jnp.mean(terms.velocity_error(denoised), axis=(1, 2, 3))


def elbo(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    index: Int[Array, " batch"],
    t: Float[Array, " batch"],
    eps: Images,
    eps_0: Images,
    num_steps: int,
) -> LossTerms:
    """The bound estimated from one of its times, in bits per dimension.

    Its mean over times and noise is the bound (`elbo.full`). A decoder that needs the
    network is one of the times, index 0; another is evaluated for every example.

    Args:
      diffusion: the model.
      pixel_decoder: the model's pixel decoder.
      pixels: pixel values 0..V-1.
      index: index of the latent, uniform in 0..T-1, or in 1..T-1 where the decoder's mean is
        z_0; not used at T = infinity.
      t: time of the latent, on the grid in a chain.
      eps: standard normal noise of z_t, shaped like x.
      eps_0: standard normal noise of the decoder's z_0.
      num_steps: number T of latents, or `times.CONTINUOUS`.
    """
    x = pixel_decoder.encode(pixels, eps.dtype)
    at = terms.coordinates(diffusion.log_snr, t)
    denoised = terms.denoise(diffusion, x, eps, at, t)
    return _bound(
        diffusion.log_snr, pixel_decoder, pixels, denoised, index, eps_0, num_steps
    )


def _bound(
    log_snr: LogSnr,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    denoised: Denoised,
    index: Int[Array, " batch"],
    eps_0: Images,
    num_steps: int,
) -> LossTerms:
    """The bound from the model's prediction at one of its times."""
    if needs_network(pixel_decoder):
        timed = num_steps * terms.latent_term(
            log_snr, pixel_decoder, pixels, denoised, index, num_steps
        )
    else:
        timed = terms.timed(log_snr, denoised, index, num_steps)
    return LossTerms(
        timed=terms.bits_per_dim(timed, denoised.x[0].size),
        rest=outside_time(log_snr, pixel_decoder, pixels, denoised.x, eps_0, num_steps),
    )


def outside_time(
    log_snr: LogSnr,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    x: Images,
    eps_0: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """The part of the bound that does not depend on a time, in bits per dimension."""
    nats = terms.prior(log_snr, x)
    if not needs_network(pixel_decoder):
        z_0 = terms.first_latent(log_snr, x, eps_0)
        nats += terms.reconstruction(
            log_snr, pixel_decoder, pixels, z_0, None, num_steps
        )
    return terms.bits_per_dim(nats, x[0].size)


def stop_mean_gradient(prediction: Prediction) -> Prediction:
    """The prediction with a gradient of its reverse variance alone."""
    return prediction._replace(
        x=lax.stop_gradient(prediction.x), eps=lax.stop_gradient(prediction.eps)
    )


def hybrid(
    diffusion: Diffusion,
    weighting: Weighting,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    index: Int[Array, " batch"],
    eps: Images,
    eps_0: Images,
    num_steps: int,
    variance_weight: float = 0.001,
) -> Float[Array, " batch"]:
    """The loss L_hybrid of Nichol & Dhariwal 2021 (arXiv:2102.09672), eq. 16.

    The gradient of `weighted` trains the mean; that of variance_weight times the bound, in bits
    per dimension, trains the variance alone. It takes one evaluation of the network.
    """
    x, t = pixel_decoder.encode(pixels, eps.dtype), grid_time(index, num_steps)
    at = terms.coordinates(diffusion.log_snr, t)
    denoised = terms.denoise(diffusion, x, eps, at, t)
    stopped = denoised._replace(prediction=stop_mean_gradient(denoised.prediction))
    bits = _bound(
        diffusion.log_snr, pixel_decoder, pixels, stopped, index, eps_0, num_steps
    ).total
    return _weighted_error(weighting, denoised) + variance_weight * bits
