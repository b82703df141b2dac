"""What a network is trained on: one number an example, at one time and one noise.

Each takes a `Diffusion` and evaluates it once. Losses that share an evaluation get
`elbo.evaluated(...)`, the model with its answer fixed: `hybrid` does that.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion import elbo as bound
from ddpm_jax.diffusion import gaussian
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.pixels import Codec, Pixels
from ddpm_jax.diffusion.times import grid_time
from ddpm_jax.diffusion.weightings import Weighting


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
    log_snr, slope = jax.jvp(diffusion.log_snr, (t,), (jnp.ones_like(t),))
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr), t)
    error = gaussian.velocity_error(x, eps, prediction, log_snr)
    weight = weighting.weight(log_snr)
    if weighting.per_log_snr:
        weight = -slope * weight
    return weight * jnp.mean(error, axis=(1, 2, 3))


def elbo(
    diffusion: Diffusion,
    codec: Codec,
    pixels: Pixels,
    index: Int[Array, " batch"],
    eps: Images,
    num_steps: int,
) -> Float[Array, " batch"]:
    """The whole bound from one of its terms, bits a dimension.

    T times the term of `index` and the prior, so that its mean over index uniform in
    0..T-1 and eps standard normal is the bound (`elbo.full`).
    """
    x = codec.encode(pixels, eps.dtype)
    term = bound.term_at(diffusion, codec, pixels, index, eps, num_steps)
    nats = num_steps * term + bound.prior(diffusion, x)
    return bound.bits_per_dim(nats, x[0].size)


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
    codec: Codec,
    pixels: Pixels,
    index: Int[Array, " batch"],
    eps: Images,
    num_steps: int,
    variance_weight: float = 0.001,
) -> Float[Array, " batch"]:
    """L_hybrid of Nichol & Dhariwal 2021 (arXiv:2102.09672), eq. 16.

    `weighted` teaches the mean, and variance_weight times the bound of all T times, in
    bits a dimension, teaches the variance alone. One evaluation of the network.
    """
    x, t = codec.encode(pixels, eps.dtype), grid_time(index, num_steps)
    answer = bound.evaluated(diffusion, x, t, eps)
    bits = elbo(stop_mean_gradient(answer), codec, pixels, index, eps, num_steps)
    return weighted(answer, weighting, x, t, eps) + variance_weight * bits
