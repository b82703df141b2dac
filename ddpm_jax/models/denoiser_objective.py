"""The losses of a denoiser: a weighted error, the hybrid with a learned variance, the bound."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.likelihood.terms import Coordinates
from ddpm_jax.diffusion.objectives import denoising, variance_gradient
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.objectives.weightings import Weighting
from ddpm_jax.diffusion.process.gaussian import fold_in, normal
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.timed_objective import Draws, LossFn
from ddpm_jax.training.objective import Batch
from ddpm_jax.training.state import Params


def conditioning_of(model: Denoiser, batch: Batch) -> Conditioning:
    """The conditioning of a batch's examples, if the network takes any."""
    return Conditioning(
        numbers=batch["augmented"][:, None] if "augmented" in batch else None,
        labels=batch["label"] if model.num_classes else None,
    )


def _noise(model: Denoiser, draws: Draws) -> tuple[Array, Array]:
    """The noise of z_t, and that of the decoder's z_0."""
    decoder_noise = normal(fold_in(draws.noise_keys, 1), model.shape)
    return normal(draws.noise_keys, model.shape), decoder_noise


def weighted(model: Denoiser, weighting: Weighting, variance_weight: float) -> LossFn:
    """The loss of the weighted error or, with a learned variance, the hybrid loss."""

    def loss_fn(params: Params, batch: Batch, draws: Draws) -> LossTerms:
        eps, eps_0 = _noise(model, draws)
        diffusion = model.bind(
            params, draws.dropout_keys, conditioning_of(model, batch)
        )
        if model.variance_fraction is None:
            loss = denoising.hybrid(
                diffusion,
                weighting,
                model.pixel_decoder,
                batch["image"],
                draws.times.latent,
                eps,
                eps_0,
                model.num_steps,
                variance_weight=variance_weight,
            )
        else:
            x = model.pixel_decoder.encode(batch["image"])
            loss = denoising.weighted(diffusion, weighting, x, draws.times.t, eps)
        return LossTerms(timed=loss, rest=jnp.zeros_like(loss))

    return loss_fn


def bound(model: Denoiser, for_variance: bool) -> LossFn:
    """The loss of the bound in bits per dimension, from one of its times for each example.

    Args:
      model: the denoiser.
      for_variance: whether, in continuous time, the interior of a learned schedule minimises
        the variance of this estimate, rather than the bound, which does not depend on it.
    """

    def plain(params: Params, batch: Batch, draws: Draws) -> LossTerms:
        eps, eps_0 = _noise(model, draws)
        return denoising.elbo(
            model.bind(params, draws.dropout_keys, conditioning_of(model, batch)),
            model.pixel_decoder,
            batch["image"],
            draws.times.latent,
            draws.times.t,
            eps,
            eps_0,
            model.num_steps,
        )

    routed = variance_gradient.route(_timed_at(model))

    def split(params: Params, batch: Batch, draws: Draws) -> LossTerms:
        bound_params, variance_params = _split(params)
        eps, eps_0 = _noise(model, draws)
        x, t = model.pixel_decoder.encode(batch["image"]), draws.times.t
        timed = routed(
            bound_params,
            terms.coordinates(model.log_snr(bound_params), t),
            terms.coordinates(model.log_snr(variance_params), t),
            draws.times.expected,
            (x, batch, draws, eps),
        )
        rest = denoising.outside_time(
            model.log_snr(bound_params),
            model.pixel_decoder,
            batch["image"],
            x,
            eps_0,
            model.num_steps,
        )
        return LossTerms(timed, rest)

    def loss_fn(params: Params, batch: Batch, draws: Draws) -> LossTerms:
        has_interior = "interior" in params.get("schedule", {})
        is_split = for_variance and has_interior and model.num_steps == CONTINUOUS
        return (split if is_split else plain)(params, batch, draws)

    return loss_fn


def _timed_at(model: Denoiser) -> variance_gradient.Loss:
    """The bound's integrand in bits per dimension, as a function of its coordinates."""

    def timed(params: Params, at: Coordinates, rest: Any) -> Float[Array, " batch"]:
        x, batch, draws, eps = rest
        t = draws.times.t
        diffusion = model.bind(
            params,
            draws.dropout_keys,
            conditioning_of(model, batch),
            variance_gradient.tangent(at, t),
        )
        nats = terms.integrand(terms.denoise(diffusion, x, eps, at, t))
        return terms.bits_per_dim(nats, x[0].size)

    return timed


def _split(params: Params) -> tuple[Params, Params]:
    """The parameters twice: all but the schedule's interior have a gradient, and it alone."""
    still = jax.tree.map(lax.stop_gradient, params)
    schedule, still_schedule = params["schedule"], still["schedule"]
    bound_params = {
        **params,
        "schedule": {**schedule, "interior": still_schedule["interior"]},
    }
    variance_params = {
        **still,
        "schedule": {**still_schedule, "interior": schedule["interior"]},
    }
    return bound_params, variance_params
