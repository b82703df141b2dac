"""What a step minimises: from config.loss to a loss an example, and to its times."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import chosen, made
from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.likelihood.terms import Coordinates
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.objectives import denoising, time_sampling, variance_gradient
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.process import gaussian, schedules
from ddpm_jax.diffusion.process.gaussian import fold_in, normal
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.table import INTERIOR_GOALS, LOSSES, SCHEDULES, TIME_SAMPLINGS
from ddpm_jax.nets.learned_schedule import LearnedMonotone
from ddpm_jax.training import step
from ddpm_jax.training.state import Params


def time_sampler(
    config: Config, model: Denoiser | ClassifierModel
) -> time_sampling.TimeSampler:
    """What a step takes its times from, by config.loss.time_sampling."""
    by_loss = TIME_SAMPLINGS[config.loss.time_sampling].has("by_loss")
    if model.num_steps == CONTINUOUS:
        low, high = _log_snr_range(config, model)
        return time_sampling.Continuous(
            low=low, high=high, by_loss=by_loss, is_stratified=is_stratified(config)
        )
    is_bound = isinstance(model, Denoiser) and (
        _is_the_bound(config) or model.variance_fraction is None
    )
    # A decoder that takes z_0 as it stands has nothing to teach the network.
    first = int(is_bound and model.pixel_decoder.mean_from == "z_0")
    grid = time_sampling.GridByLoss if by_loss else time_sampling.Grid
    return grid(num_steps=model.num_steps, first=first)


def _is_the_bound(config: Config) -> bool:
    return LOSSES[config.loss.weighting].has("is_the_bound")


def is_stratified(config: Config) -> bool:
    """Whether a global batch's times cover [0, 1) evenly."""
    return bool(TIME_SAMPLINGS[config.loss.time_sampling].has("stratified"))


def _log_snr_range(
    config: Config, model: Denoiser | ClassifierModel
) -> tuple[float, float]:
    """What log SNR never leaves, however the schedule learns."""
    if isinstance(model.schedule, schedules.Schedule):
        high, low = model.schedule.log_snr(jnp.array([0.0, 1.0]))
        return float(low), float(high)
    _, options = chosen(SCHEDULES, config.schedule, "name", "schedule")
    assert isinstance(options, LearnedMonotone)
    return options.range


def loss(config: Config, model: Denoiser | ClassifierModel) -> step.LossFn:
    """Loss of each example: by config.loss, or a classifier's."""
    if isinstance(model, ClassifierModel):
        return _cross_entropy(model)
    if _is_the_bound(config):
        return _bound(
            model,
            for_variance=INTERIOR_GOALS[config.loss.interior].has("least_variance"),
        )
    return _weighted(config, model)


def conditioning_of(model: Denoiser, batch: step.Batch) -> Conditioning:
    """What the network is told of an example beside its time, if anything."""
    return Conditioning(
        numbers=batch["augmented"][:, None] if "augmented" in batch else None,
        labels=batch["label"] if model.num_classes else None,
    )


def _cross_entropy(model: ClassifierModel) -> step.LossFn:
    """-log p(class | z_t) in nats, at times of which each is worth the same."""

    def loss_fn(params: Params, batch: step.Batch, draws: step.Draws) -> LossTerms:
        x, t = model.pixel_decoder.encode(batch["image"]), draws.times.t
        eps = normal(draws.noise_keys, model.shape)
        z_t = gaussian.diffuse(x, eps, model.log_snr(params)(t))
        logits = model.bind(params, draws.dropout_keys)(z_t, t).logits
        nats = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return LossTerms(timed=nats, rest=jnp.zeros_like(nats))

    return loss_fn


def _noise(model: Denoiser, draws: step.Draws) -> tuple[Array, Array]:
    """Of z_t, and of the z_0 that the decoder sees."""
    of_decoder = normal(fold_in(draws.noise_keys, 1), model.shape)
    return normal(draws.noise_keys, model.shape), of_decoder


def _weighted(config: Config, model: Denoiser) -> step.LossFn:
    choice, options = chosen(LOSSES, config.loss, "weighting", "loss")
    weighting = made(choice, options, f"config.loss.{config.loss.weighting}")
    variance_weight = config.loss.variance_weight

    def loss_fn(params: Params, batch: step.Batch, draws: step.Draws) -> LossTerms:
        eps, eps_0 = _noise(model, draws)
        diffusion = model.bind(
            params, draws.dropout_keys, conditioning_of(model, batch)
        )
        if model.variance_fraction is None:
            found = denoising.hybrid(
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
            found = denoising.weighted(diffusion, weighting, x, draws.times.t, eps)
        return LossTerms(timed=found, rest=jnp.zeros_like(found))

    return loss_fn


def _bound(model: Denoiser, for_variance: bool) -> step.LossFn:
    def plain(params: Params, batch: step.Batch, draws: step.Draws) -> LossTerms:
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

    def split(params: Params, batch: step.Batch, draws: step.Draws) -> LossTerms:
        of_bound, of_variance = _split(params)
        eps, eps_0 = _noise(model, draws)
        t = draws.times.t
        timed = routed(
            of_bound,
            terms.coordinates(model.log_snr(of_bound), t),
            terms.coordinates(model.log_snr(of_variance), t),
            draws.times.expected,
            (batch, draws, eps),
        )
        rest = denoising.outside_time(
            model.bind(of_bound),
            model.pixel_decoder,
            batch["image"],
            eps_0,
            model.num_steps,
        )
        return LossTerms(timed, rest)

    def loss_fn(params: Params, batch: step.Batch, draws: step.Draws) -> LossTerms:
        has_interior = "interior" in params.get("schedule", {})
        is_split = for_variance and has_interior and model.num_steps == CONTINUOUS
        return (split if is_split else plain)(params, batch, draws)

    return loss_fn


def _timed_at(model: Denoiser) -> variance_gradient.Loss:
    """The bound's integrand in bits a dimension, as a function of its coordinates."""

    def timed(params: Params, at: Coordinates, rest: Any) -> Float[Array, " batch"]:
        batch, draws, eps = rest
        x, t = model.pixel_decoder.encode(batch["image"]), draws.times.t
        diffusion = model.bind(
            params, draws.dropout_keys, conditioning_of(model, batch), _touching(at, t)
        )
        nats = terms.integrand(diffusion, x, eps, at, t)
        return terms.bits_per_dim(nats, x[0].size)

    return timed


def _touching(at: Coordinates, times: Float[Array, " batch"]) -> LogSnr:
    """The straight line through the schedule at these times, with its slope there.

    A gradient reaches the coordinates through it, rather than the schedule itself.
    """
    return lambda t: at.log_snr + at.slope * (t - lax.stop_gradient(times))


def _split(params: Params) -> tuple[Params, Params]:
    """The same numbers twice: all but the schedule's interior learn, and it alone."""
    still = jax.tree.map(lax.stop_gradient, params)
    schedule, still_schedule = params["schedule"], still["schedule"]
    of_bound = {
        **params,
        "schedule": {**schedule, "interior": still_schedule["interior"]},
    }
    of_variance = {
        **still,
        "schedule": {**still_schedule, "interior": schedule["interior"]},
    }
    return of_bound, of_variance
