"""Guidance by another model, restored from its own workdir with its own config."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.conditioning import guidance
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.models.table import SCHEDULES, TIME_INPUTS
from ddpm_jax.sampling.guidance_options import Rescaled, Scaled
from ddpm_jax.sampling.guide import Guide, Labels, class_conditioning
from ddpm_jax.training.state import Params


@dataclasses.dataclass(frozen=True)
class ClassifierGuidance(Scaled):
    """Options of guidance by a classifier's gradient."""

    workdir: str = option("", "Workdir of the classifier.")
    step: int = option(-1, "Its checkpoint; -1: the newest.", at_least=-1)
    weights: str = option("ema", "Its weights: ema, raw, or ema:<a decay>.")
    scale: float = option(1.0, "0 the model itself, 1 the class by Bayes's rule.")

    @property
    def missing(self) -> str:
        if self.workdir:
            return ""
        return (
            "needs config.sample.classifier.workdir, of a run of a config such as"
            " configs/digits_classifier.py."
        )


@dataclasses.dataclass(frozen=True)
class Autoguidance(Rescaled):
    """Options of guidance by a weaker model."""

    workdir: str = option(
        "", 'Workdir of a weaker model; "": this run, at an earlier step.'
    )
    step: int = option(-1, "Its checkpoint; -1: the newest.", at_least=-1)
    weights: str = option("ema", "Its weights: ema, raw, or ema:<a decay>.")

    @property
    def missing(self) -> str:
        if self.workdir or self.step >= 0:
            return ""
        return (
            "needs config.sample.autoguidance.workdir, of a weaker model, or"
            " config.sample.autoguidance.step, an earlier one of this run."
        )


def _by_classifier(
    options: ClassifierGuidance,
    config: Config,
    model: Denoiser,
    restored: Restored[Denoiser],
) -> Guide:
    field = f"config.sample.classifier.workdir = {options.workdir!r}"
    other = restored.others.classifier(
        *(field, options.workdir, config, restored.data),
        step=options.step,
        weights=options.weights,
    )
    _check_times(field, config, other.config)

    def bind(params: Params, other_params: Params, labels: Labels) -> Diffusion:
        diffusion = model.bind(params, conditioning=class_conditioning(model, labels))
        classify = other.model.bind(other_params, log_snr=diffusion.log_snr)

        def log_probs(z_t: Array, t: Array) -> Array:
            return jax.nn.log_softmax(classify(z_t, t).logits)

        change = guidance.by_classifier(log_probs, labels, *options.strength)
        return change(diffusion)

    return Guide(other.model.num_classes, other.params, bind)


def _by_weaker(
    options: Autoguidance,
    config: Config,
    model: Denoiser,
    restored: Restored[Denoiser],
) -> Guide:
    field = f"config.sample.autoguidance.workdir = {options.workdir!r}"
    if not options.workdir:
        field = f"config.sample.autoguidance.step = {options.step}"
    weak = restored.others.denoiser(
        *(field, options.workdir or restored.path, config, restored.data),
        step=options.step,
        weights=options.weights,
    )
    _check_times(field, config, weak.config)

    def bind(params: Params, other_params: Params, labels: Labels) -> Diffusion:
        good = model.bind(params, conditioning=class_conditioning(model, labels))
        conditioning = class_conditioning(weak.model, labels)
        worse = weak.model.bind(
            other_params, conditioning=conditioning, log_snr=good.log_snr
        )
        change = guidance.autoguidance(worse, *options.strength, options.rescale)
        return change(good)

    return Guide(model.num_classes, weak.params, bind)


def _check_times(field: str, ours: Config, theirs: Config) -> None:
    """Raises ConfigError unless the other network has the same times, or log SNR as input."""
    if TIME_INPUTS[theirs.model.time_input].has("follows_log_snr"):
        return

    def schedule(config: Config) -> Mapping[str, Any]:
        name = config.schedule.name
        common = {"name": name, "num_steps": config.schedule.num_steps}
        return common | {name: dict(config.schedule[name])}

    now, then = json.dumps(schedule(ours)), json.dumps(schedule(theirs))
    if now != then or SCHEDULES[ours.schedule.name].has("learned"):
        raise ConfigError(
            f"{field} is told t, of config.schedule = {then}, which here is {now}: a network"
            " told log SNR (config.model.time_input) could be asked, or one of the same"
            " fixed schedule."
        )


CLASSIFIER = Choice(
    ClassifierGuidance,
    _by_classifier,
    frozenset({"needs_another_model", "knows_classes"}),
)
AUTOGUIDANCE = Choice(Autoguidance, _by_weaker, frozenset({"needs_another_model"}))
