"""Checks of config.sample, alone and with the other groups, before anything is drawn."""

from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import chosen
from ddpm_jax.core.errors import ConfigError, as_config_errors, choose
from ddpm_jax.core.limits import LARGEST_INT
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers.readout import READOUTS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.models.table import PIXEL_DECODERS, SCHEDULES
from ddpm_jax.sampling import guides, numbering, samplers, tasks
from ddpm_jax.sampling.guidance_options import GuidanceOptions
from ddpm_jax.sampling.shards import FORMATS
from ddpm_jax.sampling.tasks import TASKS


def check(config: Config) -> None:
    """Checks all of config.sample.

    Raises:
      ConfigError: options cannot work, or not together; it names the first, and a remedy.
    """
    film, end = config.sample.film, numbering.end_of(config)
    if end > LARGEST_INT:
        raise ConfigError(
            f"config.sample.first = {config.sample.first} and config.sample.num_samples ="
            f" {config.sample.num_samples} go beyond {LARGEST_INT}, the largest number of a"
            " sample: lower one; another config.sample.seed gives other samples."
        )
    if film.num_frames and samplers.takes_own_steps(config):
        raise ConfigError(
            f"config.sample.sampler = {config.sample.sampler!r} takes steps of its own, of"
            " which there is no film: write config.sample.film.num_frames = 0."
        )
    if film.animation and film.num_frames < 2:
        raise ConfigError(
            f"config.sample.film.animation = {film.animation!r} needs frames: write"
            " config.sample.film.num_frames, such as 20."
        )
    if _is_continuous(config) and not FORMATS[config.sample.format].holds_real_numbers:
        raise ConfigError(
            f"config.sample.format = {config.sample.format!r} holds pixel values, and"
            f" {_of_real_numbers(config)}: write 'npz'."
        )
    check_rollout(config)
    contrast_configs(config)


def check_rollout(config: Config) -> None:
    """Checks the options on which a sample depends: sampler, times, guidance, task.

    Raises:
      ConfigError: options cannot work, or not together; it names the first, and a remedy.
    """
    c = config.sample
    num_latents = config.schedule.num_steps
    grid, _ = chosen(TIME_GRIDS, c, "spacing", "sample")
    listed, uses_grid = grid.has("listed"), not samplers.takes_own_steps(config)
    learned_chain = num_latents != CONTINUOUS and SCHEDULES[config.schedule.name].has(
        "learned"
    )
    prediction = PREDICTIONS[config.prediction]
    times = tuple(c.explicit.times)
    continuous = _is_continuous(config)
    wrong = {
        f"config.sample.threshold = {c.threshold!r} cuts x_hat to [-1, 1], the range of"
        f" pixel values, and {_of_real_numbers(config)}: write 'none'.": continuous
        and THRESHOLDS[c.threshold].has("cuts_to_range"),
        f"config.sample.task = {c.task!r} is of image files, and"
        f" {_of_real_numbers(config)}: write 'generate'.": continuous
        and not TASKS[c.task].has("from_noise"),
        f"config.sample.num_steps = {c.num_steps} is more than config.schedule.num_steps ="
        f" {num_latents}, the latents there are: write at most that.": uses_grid
        and not listed
        and 0 < num_latents < c.num_steps,
        f"config.sample.spacing = {c.spacing!r} chooses latents by a fixed table, which"
        f" config.schedule.name = {config.schedule.name!r} with a finite"
        " config.schedule.num_steps has not: write 'uniform' or"
        " 'quadratic'.": uses_grid and learned_chain and grid.has("finds_log_snr"),
        f"config.sample.explicit.times = {times} are not used: write"
        " config.sample.spacing = 'explicit' too.": bool(times) and not listed,
        f"config.sample.end = {c.end!r} takes z_0 itself, to which config.sample.explicit."
        "times must lead: let them end with 0.": uses_grid
        and listed
        and READOUTS[c.end].has("reads_z_0")
        and bool(times)
        and times[-1] != 0,
        f"config.sample.sampler = {c.sampler!r} needs a model between the latents of a"
        f" chain too, which config.prediction = {config.prediction!r}, the mean of the"
        " latent before, does not give: write another sampler.": not uses_grid
        and num_latents != CONTINUOUS
        and prediction.has("needs_previous_latent"),
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)
    check_guidance(config)
    tasks.check(config)
    with as_config_errors():
        samplers.threshold(config)
        if uses_grid:
            samplers.num_evaluations(config)
            # Whether there is such a grid does not depend on the schedule.
            if not (learned_chain and grid.has("finds_log_snr")):
                samplers.times_of(config, schedules.linear_log_snr(-5.0, 5.0).log_snr)
        else:
            samplers.solve_of(config)


def _is_continuous(config: Config) -> bool:
    return PIXEL_DECODERS[config.decoder.name].has("continuous")


def _of_real_numbers(config: Config) -> str:
    return f"config.decoder.name = {config.decoder.name!r} is of real numbers"


def check_guidance(config: Config) -> None:
    """Checks the guidance, before another model is read."""
    c = config.sample
    is_conditional, where = (
        config.model.class_conditional,
        f"config.sample.guidance = {c.guidance!r}",
    )
    choice, options = chosen(guides.GUIDES, c, "guidance", "sample")
    assert isinstance(options, GuidanceOptions)
    needs_classes, knows = choice.has("needs_classes"), choice.has("knows_classes")
    wrong = {
        f"{where} goes between the model with classes and the one without: it needs"
        " config.model.class_conditional = True.": needs_classes and not is_conditional,
        f"{where} learns what there is without a class in training: it needs"
        " config.model.label_dropout above 0, such as 0.1.": needs_classes
        and not config.model.label_dropout,
        f"{where} {options.missing}": bool(options.missing),
        f"config.sample.classes = {tuple(c.classes)} are told to nobody: that needs"
        " config.model.class_conditional = True, or config.sample.guidance ="
        " 'classifier'.": bool(c.classes) and not is_conditional and not knows,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)


def contrast_configs(config: Config) -> dict[str, dict[int, Config]]:
    """The configs that config.sample.contrast compares, by sampler and number of steps.

    A sampler that takes steps of its own has one entry, under the largest.

    Raises:
      ConfigError: a sampler does not exist, or cannot take so many steps.
    """
    c = config.sample.contrast
    names = [name.strip() for name in c.samplers.split(",")] if c.samplers else []
    if names and not c.num_steps:
        raise ConfigError(
            "config.sample.contrast.num_steps = (): write numbers of steps, such as"
            " (5, 10, 20)."
        )
    if names and min(c.num_steps) < 2:
        raise ConfigError(
            f"config.sample.contrast.num_steps = {tuple(c.num_steps)}: write numbers from 2"
            " on."
        )
    if names and TIME_GRIDS[config.sample.spacing].has("listed"):
        raise ConfigError(
            "config.sample.contrast goes through numbers of steps, which"
            f" config.sample.spacing = {config.sample.spacing!r} does not: write another"
            " spacing."
        )
    configs: dict[str, dict[int, Config]] = {}
    for name in names:
        choose(SAMPLERS, name, "sample.contrast.samplers")
    for name in names:
        own_steps = SAMPLERS[name].has("own_steps")
        all_steps = (max(c.num_steps),) if own_steps else c.num_steps
        configs[name] = {}
        for num_steps in all_steps:
            variant = config.copy_and_resolve_references()
            with variant.unlocked():
                variant.sample.update(sampler=name, num_steps=num_steps)
            try:
                check_rollout(variant)
            except ConfigError as error:
                raise ConfigError(
                    f"config.sample.contrast, {name!r} with {num_steps} steps: {error}"
                ) from error
            configs[name][num_steps] = variant
    return configs
