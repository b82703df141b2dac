"""The training objective of a model, built from config.loss."""

import jax.numpy as jnp
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import chosen, made
from ddpm_jax.diffusion.objectives import time_sampling
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.pixel_decoder import needs_network
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models import classifier_objective, denoiser_objective
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.table import INTERIOR_GOALS, LOSSES, SCHEDULES, TIME_SAMPLINGS
from ddpm_jax.models.timed_objective import LossFn, TimedObjective
from ddpm_jax.nets.learned_schedule import LearnedMonotone


def make(config: Config, model: Denoiser | ClassifierModel) -> TimedObjective:
    """The objective that config.loss names, for a model."""
    return TimedObjective(
        loss=loss(config, model),
        log_snr=model.log_snr,
        time_sampler=time_sampler(config, model),
        is_stratified=is_stratified(config),
        batch_size=config.data.batch_size,
    )


def loss(config: Config, model: Denoiser | ClassifierModel) -> LossFn:
    """The loss of each example: a denoiser's by config.loss, or a classifier's."""
    if isinstance(model, ClassifierModel):
        return classifier_objective.cross_entropy(model)
    if _is_the_bound(config):
        for_variance = INTERIOR_GOALS[config.loss.interior].has("least_variance")
        return denoiser_objective.bound(model, for_variance=for_variance)
    choice, options = chosen(LOSSES, config.loss, "weighting", "loss")
    weighting = made(choice, options, f"config.loss.{config.loss.weighting}")
    return denoiser_objective.weighted(
        model, weighting, variance_weight=config.loss.variance_weight
    )


def time_sampler(
    config: Config, model: Denoiser | ClassifierModel
) -> time_sampling.TimeSampler:
    """The sampler of times that config.loss.time_sampling names."""
    by_loss = TIME_SAMPLINGS[config.loss.time_sampling].has("by_loss")
    if model.num_steps == CONTINUOUS:
        low, high = _log_snr_range(config, model)
        return time_sampling.Continuous(
            low=low, high=high, by_loss=by_loss, is_stratified=is_stratified(config)
        )
    is_bound = isinstance(model, Denoiser) and (
        _is_the_bound(config) or model.variance_fraction is None
    )
    # A decoder whose mean is z_0 / alpha_0 has no gradient for the network.
    first = int(is_bound and not needs_network(model.pixel_decoder))
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
    """The lowest and highest log SNR that the schedule can take."""
    if isinstance(model.schedule, schedules.Schedule):
        high, low = model.schedule.log_snr(jnp.array([0.0, 1.0]))
        return float(low), float(high)
    _, options = chosen(SCHEDULES, config.schedule, "name", "schedule")
    assert isinstance(options, LearnedMonotone)
    return options.range
