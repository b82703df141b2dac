"""What a network is trained on: one number an example, at one time and one noise.

Each takes a `Diffusion` and evaluates it once. Losses that share an evaluation get
`terms.evaluated(...)`, the model with its answer fixed: `hybrid` does that.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.objectives.weightings import Weighting
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder, Pixels
from ddpm_jax.diffusion.process.times import grid_time


class LossTerms(NamedTuple):
    """A loss an example.

    Attributes:
      timed: what is drawn with the time, to be weighted where times are not uniform.
      rest: what is not.
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
    """Weighted error of the denoiser, mean over dimensions.

    With `weightings.simple` a model that predicts eps_hat = 0 has a loss of 1.

    Args:
      diffusion: the model.
      weighting: of |v - v_hat|^2.
      x: data.
      t: in [0, 1]; uniform, or weighted by whoever draws it otherwise.
      eps: standard normal, shaped like x.
    """
    log_snr, slope = terms.coordinates(diffusion.log_snr, t)
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr), t)
    error = gaussian.velocity_error(x, eps, prediction, log_snr)
    weight = weighting.weight(log_snr)
    if weighting.per_log_snr:
        weight = -slope * weight
    return weight * jnp.mean(error, axis=(1, 2, 3))


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
    """The whole bound from one of its times, bits a dimension.

    Its mean over times and noise is the bound (`elbo.full`). A decoder that asks the network
    is one of the times, index 0; one that does not is evaluated for every example.

    Args:
      diffusion: the model.
      pixel_decoder: what makes x of pixels.
      pixels: integers.
      index: of the latent, uniform in 0..T-1, or in 1..T-1 where the decoder's mean is z_0;
        not used at T = infinity.
      t: its time.
      eps: standard normal, shaped like x.
      eps_0: the same, for the decoder's z_0.
      num_steps: T, or `times.CONTINUOUS`.
    """
    x = pixel_decoder.encode(pixels, eps.dtype)
    if pixel_decoder.mean_from == "x_hat":
        of_time = num_steps * terms.term_at(
            diffusion, pixel_decoder, pixels, index, eps, num_steps
        )
    else:
        of_time = terms.timed(diffusion, x, eps, index, t, num_steps)
    rest = outside_time(diffusion, pixel_decoder, pixels, eps_0, num_steps)
    return LossTerms(terms.bits_per_dim(of_time, x[0].size), rest)


def outside_time(
    diffusion: Diffusion,
    pixel_decoder: PixelDecoder,
    pixels: Pixels,
    eps_0: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """The part of the bound that is evaluated for every example, bits a dimension."""
    x = pixel_decoder.encode(pixels, eps_0.dtype)
    nats = terms.prior(diffusion, x)
    if pixel_decoder.mean_from == "z_0":
        nats += terms.reconstruction(diffusion, pixel_decoder, pixels, eps_0, num_steps)
    return terms.bits_per_dim(nats, x[0].size)


def stop_mean_gradient(diffusion: Diffusion) -> Diffusion:
    """The model in which only the reverse variance learns."""

    def denoise(z_t: Array, t: Array) -> Prediction:
        prediction = diffusion.denoise(z_t, t)
        return prediction._replace(
            x=lax.stop_gradient(prediction.x), eps=lax.stop_gradient(prediction.eps)
        )

    return dataclasses.replace(diffusion, denoise=denoise)


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
    """L_hybrid of Nichol & Dhariwal 2021 (arXiv:2102.09672), eq. 16.

    `weighted` teaches the mean, and variance_weight times the bound of all T times, in
    bits a dimension, teaches the variance alone. One evaluation of the network.
    """
    x, t = pixel_decoder.encode(pixels, eps.dtype), grid_time(index, num_steps)
    answer = terms.evaluated(diffusion, x, t, eps)
    bits = elbo(
        stop_mean_gradient(answer),
        pixel_decoder,
        pixels,
        index,
        t,
        eps,
        eps_0,
        num_steps,
    ).total
    return weighted(answer, weighting, x, t, eps) + variance_weight * bits
