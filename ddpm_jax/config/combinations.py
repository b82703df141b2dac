"""Checks of fields of a config that must fit each other."""

from collections.abc import Collection

from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import chosen
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.numbers import next_multiple
from ddpm_jax.data.table import SOURCES
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.models import build, learning_rate
from ddpm_jax.models.table import (
    DECODER_MEANS,
    INTERIOR_GOALS,
    LOSSES,
    MODELS,
    PIXEL_DECODERS,
    REVERSE_VARIANCES,
    SCHEDULES,
    TIME_INPUTS,
)
from ddpm_jax.nets.interface import NetworkOptions
from ddpm_jax.training.starts import STARTS


def combinations(config: Config) -> None:
    """Checks that fields fit each other.

    Raises:
      ConfigError: two do not; it names the first two, and a remedy.
    """
    kind = SOURCES.get(config.data.name.partition(":")[0])
    if kind is not None:
        continuous_data = kind.has("continuous")
        build.check_decoder(config, config.data.name, is_continuous=continuous_data)
    c, schedule = config, SCHEDULES[config.schedule.name]
    learned, continuous = schedule.has("learned"), c.schedule.num_steps == CONTINUOUS
    model, network = chosen(MODELS, c.model, "name", "model")
    assert isinstance(network, NetworkOptions)
    named, group = f"config.schedule.name = {c.schedule.name!r}", c.model.name
    flag, is_classifier = c.data.augmentation_flag, model.has("classifier")
    changed = [name for name in ("flip", "rotate") if c.data[name]]
    fixed = sorted(name for name, s in SCHEDULES.items() if not s.has("table_of_T"))
    wrong = {
        f"config.loss.weighting = {c.loss.weighting!r} says nothing of a schedule's worth,"
        f" so that {named} cannot learn by it: write 'elbo'.": learned
        and not LOSSES[c.loss.weighting].has("is_the_bound"),
        f"config.decoder.mean = {c.decoder.mean!r} is one of a chain's times; in continuous"
        " time (config.schedule.num_steps = 0) write 'z_0'.": continuous
        and DECODER_MEANS[c.decoder.mean].has("needs_network"),
        f"config.reverse_variance = {c.reverse_variance!r} has nothing to learn in"
        " continuous time (config.schedule.num_steps = 0): write 'posterior' or"
        " 'forward'.": continuous
        and REVERSE_VARIANCES[c.reverse_variance].has("learned"),
        f"config.model.time_input = {c.model.time_input!r} would let the bound depend on the"
        " interior of the learned schedule, whose variance is to be least"
        f" (config.loss.interior = {c.loss.interior!r}): write 'log_snr'.": learned
        and interior_learns(config)
        and continuous
        and INTERIOR_GOALS[c.loss.interior].has("least_variance")
        and not TIME_INPUTS[c.model.time_input].has("follows_log_snr"),
        f"config.data.augmentation_flag = True needs config.model.{group}.num_conditions ="
        " 1.": flag and not network.takes_condition,
        "config.model.class_conditional = True would tell a classifier the answer: write"
        " False.": is_classifier and c.model.class_conditional,
        f"{named} cannot learn of a classifier: write the name of a fixed one.": is_classifier
        and learned,
        f"config.training.sample_every = {c.training.sample_every}: a classifier draws"
        " nothing: write 0.": is_classifier and c.training.sample_every > 0,
        "config.data.augmentation_flag = True has nothing to tell: set config.data.flip or"
        " config.data.rotate.": flag and not (c.data.flip or c.data.rotate),
        f"config.data.{''.join(changed[:1])} = True is of images, and config.decoder.name ="
        f" {c.decoder.name!r} is of real numbers: write False.": bool(changed)
        and PIXEL_DECODERS[c.decoder.name].has("continuous"),
        f"{named} is a table of T betas, which continuous time (config.schedule.num_steps ="
        f" 0) has not: write one of {fixed}.": continuous
        and schedule.has("table_of_T"),
        f"config.training.start_with = {c.training.start_with!r} needs"
        " config.training.start_from, a run's workdir.": STARTS[
            c.training.start_with
        ].has("goes_on")
        and not c.training.start_from,
        f"config.training.start_step = {c.training.start_step} needs"
        " config.training.start_from, a run's workdir.": c.training.start_step >= 0
        and not c.training.start_from,
        f"config.data.batch_size = {c.data.batch_size} does not divide into"
        f" config.training.num_microbatches = {c.training.num_microbatches}:"
        f" {next_multiple(c.data.batch_size, c.training.num_microbatches)}"
        " would.": c.data.batch_size % c.training.num_microbatches > 0,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)
    learning_rate.of(c)


def interior_learns(config: Config) -> bool:
    """Whether the interior of a learned schedule has parameters."""
    _, options = chosen(SCHEDULES, config.schedule, "name", "schedule")
    return bool(getattr(options, "interior_learns", True))


def devices(
    config: Config,
    num_devices: int,
    groups: Collection[str] = ("data", "eval", "sample"),
) -> None:
    """Checks that batches, and microbatches, divide over the devices.

    Args:
      config: the config.
      num_devices: number of devices.
      groups: the groups whose batches are used.

    Raises:
      ConfigError: one does not; it names the field and the next size that does.
    """
    pieces = num_devices * config.training.num_microbatches
    for group in groups:
        size = config[group].batch_size
        parts = pieces if group == "data" else num_devices
        if size % parts:
            split = f"{num_devices} devices"
            if parts != num_devices:
                split += f" in {config.training.num_microbatches} microbatches"
            raise ConfigError(
                f"config.{group}.batch_size = {size} does not divide over {split}."
                f" The next that does is {next_multiple(size, parts)}."
            )
