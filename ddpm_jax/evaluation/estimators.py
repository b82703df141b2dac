"""The estimators that config.eval.estimators lists: their checks, and their making."""

import dataclasses
from typing import Any, NamedTuple

from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, Options, made, read
from ddpm_jax.core.errors import ConfigError, choose
from ddpm_jax.core.limits import LARGEST_INT
from ddpm_jax.data.source import Source
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.evaluation import features
from ddpm_jax.evaluation.extractors.table import EXTRACTORS
from ddpm_jax.evaluation.likelihoods.estimator import LikelihoodEstimator, Setting
from ddpm_jax.evaluation.results.evaluation import Measurement
from ddpm_jax.evaluation.sample_metrics.metric import SampleMetric
from ddpm_jax.evaluation.table import ESTIMATORS, KINDS
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.table import MODELS, PIXEL_DECODERS


class Chosen(NamedTuple):
    """An estimator as a config describes it."""

    name: str
    choice: Choice
    options: Options


def chosen(config: Config, name: str) -> Chosen:
    """The estimator of a name, whether or not it is listed, with its options.

    Raises:
      ConfigError: one of its options is out of range.
    """
    choice = ESTIMATORS[name]
    values = config.eval[name] if dataclasses.fields(choice.options) else {}
    return Chosen(name, choice, read(choice.options, values, f"config.eval.{name}"))


def listed(config: Config, trait: str) -> list[Chosen]:
    """The listed estimators that have a trait, in the order of config.eval.estimators."""
    return [chosen(config, name) for name in names(config, trait)]


def names(config: Config, trait: str) -> list[str]:
    """The names of the listed estimators that have a trait."""
    return [name for name in _names(config) if ESTIMATORS[name].has(trait)]


def make_likelihood(config: Config, estimator_choice: Chosen) -> LikelihoodEstimator:
    """An estimator of a likelihood, as the config describes it.

    Raises:
      ConfigError: config.eval.num_draws, or what else it needs, does not suit it.
    """
    is_conditional = config.model.class_conditional and config.eval.class_conditional
    is_continuous = PIXEL_DECODERS[config.decoder.name].has("continuous")
    outcome = "x" if is_continuous else "pixels"
    setting = Setting(
        num_draws=config.eval.num_draws,
        num_pilot_examples=config.eval.pilot_examples,
        num_steps=config.schedule.num_steps,
        seed=config.seed,
        outcome=f"{outcome} | class" if is_conditional else outcome,
        is_continuous=is_continuous,
    )
    estimator: LikelihoodEstimator = _make(estimator_choice, setting)
    return estimator


def make_measurement(
    config: Config,
    estimator_choice: Chosen,
    mesh: Mesh,
    model: ClassifierModel,
    source: Source,
) -> Measurement:
    """The measurement of a classifier on a split, as the config describes it."""
    measurement: Measurement = _make(estimator_choice, config, mesh, model, source)
    return measurement


def sample_metrics(config: Config) -> dict[str, SampleMetric]:
    """The metrics of samples that the config lists, by name."""
    return {
        estimator_choice.name: _make(estimator_choice)
        for estimator_choice in listed(config, "of_samples")
    }


def bounds() -> frozenset[str]:
    """The names of the estimators of the bound on the reverse process's likelihood."""
    return frozenset(name for name, c in ESTIMATORS.items() if c.has("is_the_bound"))


def is_clipped(config: Config, estimator_choice: Chosen) -> bool:
    """Whether x_hat is clipped to the range of the data."""
    return bool(config.eval.clip) and not estimator_choice.choice.has("clips_nothing")


def check(config: Config) -> None:
    """Checks config.eval.

    Raises:
      ConfigError: a field cannot work; it names the first, and a remedy.
    """
    field = f"config.eval.estimators = {config.eval.estimators!r}"
    listed_names = _names(config)
    is_classifier = MODELS[config.model.name].has("classifier")
    known = {
        n: c for n, c in ESTIMATORS.items() if c.has("of_a_classifier") == is_classifier
    }
    for name in listed_names:
        choose(known, name, "eval.estimators")
    if len(set(listed_names)) < len(listed_names):
        raise ConfigError(f"{field} names one twice: write each once.")
    for name in listed_names:
        if len(ESTIMATORS[name].traits & KINDS) != 1:
            raise ConfigError(
                f"{field}: {name!r} needs one of the traits {', '.join(sorted(KINDS))}."
            )
        _check_fits(config, name, field)
    takers = [name for name, choice in ESTIMATORS.items() if choice.has("takes_pilot")]
    if config.eval.pilot_examples > 0 and not set(takers) & set(listed_names):
        raise ConfigError(
            f"config.eval.pilot_examples = {config.eval.pilot_examples} is of use to the"
            f" estimator {' or '.join(map(repr, takers))} alone: write 0."
        )
    for name in ESTIMATORS:
        chosen(config, name)
    if config.eval.clip and PIXEL_DECODERS[config.decoder.name].has("continuous"):
        raise ConfigError(
            "config.eval.clip = True cuts x_hat to [-1, 1], the range of pixel values, and"
            f" config.decoder.name = {config.decoder.name!r} is of real numbers: write"
            " False."
        )
    for estimator in listed(config, "likelihood"):
        make_likelihood(config, estimator)
    _check_samples(config)


def _check_fits(config: Config, name: str, field: str) -> None:
    """Raises ConfigError if an estimator needs what the model does not have."""
    choice = ESTIMATORS[name]
    continuous = config.schedule.num_steps == CONTINUOUS
    if choice.has("needs_a_chain") and continuous:
        others = (n for n, c in ESTIMATORS.items() if c.has("likelihood"))
        other = next(n for n in others if not ESTIMATORS[n].has("needs_a_chain"))
        raise ConfigError(
            f"{field}: {name!r} sums over the transitions of a chain; in continuous time"
            f" (config.schedule.num_steps = 0) write {other!r}."
        )
    before = PREDICTIONS[config.prediction].has("needs_previous_latent")
    if choice.has("between_latents") and before and not continuous:
        raise ConfigError(
            f"{field}: {name!r} needs a model between the latents of a chain too, which"
            f" config.prediction = {config.prediction!r}, the mean of the latent before,"
            " does not give; leave it out, or write config.schedule.num_steps = 0."
        )


def _check_samples(config: Config) -> None:
    metrics = sample_metrics(config)
    num_samples = config.eval.quality.num_samples
    for name, metric in metrics.items():
        if num_samples < metric.least_samples:
            raise ConfigError(
                f"config.eval.quality.num_samples = {num_samples} is too few for {name!r}:"
                f" write {metric.least_samples} or more."
            )
    quality = config.eval.quality
    left = LARGEST_INT - config.sample.first
    if metrics and quality.num_repeats * quality.num_samples > left:
        raise ConfigError(
            f"config.eval.quality.num_repeats = {quality.num_repeats} of {num_samples}"
            " samples each: samples have 32-bit numbers, so write at most"
            f" {left // num_samples}."
        )
    if not metrics:
        return
    features.check(config)
    extractor = config.eval.quality.extractor
    judged = names(config, "by_classes")
    if judged and EXTRACTORS[extractor].has("without_classes"):
        others = [n for n, c in EXTRACTORS.items() if not c.has("without_classes")]
        raise ConfigError(
            f"config.eval.quality.extractor = {extractor!r} has no classes, which"
            f" {judged[0]!r} of config.eval.estimators needs: write one of {others}."
        )


def _names(config: Config) -> list[str]:
    return [name.strip() for name in config.eval.estimators.split(",")]


def _make(estimator: Chosen, *inputs: Any) -> Any:
    where = f"config.eval.{estimator.name}"
    return made(estimator.choice, estimator.options, where, *inputs)
