"""What config.sample says that cannot work, or not together: told before anything is drawn."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError, choose, errors_are_the_users
from ddpm_jax.diffusion.conditioning import guidance
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import readout, time_grids
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling import samplers, shards, tasks

# Of an animation, seconds.
LONGEST = 3600.0
# Of guidance: beyond it float32 overflows before an image is cut to its range.
LARGEST_SCALE = 1000.0
UNGUIDED = "none"
GUIDANCE = (UNGUIDED, "classifier_free", "classifier", "autoguidance")


def check(config: Config) -> None:
    """Fails on options of config.sample that cannot work, or not together.

    Raises:
      ConfigError: naming the first of them, and what would work.
    """
    film = config.sample.film
    choose(shards.FORMATS, config.sample.format, "sample.format")
    animations = {**dict.fromkeys(encoding.ANIMATIONS), "": None}
    choose(animations, film.animation, "sample.film.animation")
    if film.num_frames and config.sample.sampler == samplers.ODE:
        raise ConfigError(
            "config.sample.sampler = 'ode' takes steps of its own, of which there is no"
            " film: write config.sample.film.num_frames = 0."
        )
    if not 0.0 < film.seconds <= LONGEST:
        raise ConfigError(
            f"config.sample.film.seconds = {film.seconds}: write a number above 0, at most"
            f" {LONGEST:g}."
        )
    if film.animation and film.num_frames < 2:
        raise ConfigError(
            f"config.sample.film.animation = {film.animation!r} needs frames: write"
            " config.sample.film.num_frames, such as 20."
        )
    check_way(config)
    contrasted(config)


def check_way(config: Config) -> None:
    """The same of what a sample depends on."""
    c = config.sample
    tables: dict[str, Mapping[str, Any]] = {
        "sampler": samplers.SAMPLERS,
        "spacing": time_grids.GRIDS,
        "threshold": samplers.THRESHOLDS,
        "end": readout.ENDS,
        "guidance": dict.fromkeys(GUIDANCE),
        "task": tasks.TASKS,
        "ancestral.variance": samplers.VARIANCES,
        "dpm_solver.method": samplers.DPM_SOLVERS,
        "ode.solver": probability_flow.SOLVERS,
    }
    for field, table in tables.items():
        value = c
        for part in field.split("."):
            value = value[part]
        choose(table, value, f"sample.{field}")
    num_latents = config.schedule.num_steps
    listed = c.spacing == "explicit"
    learned = config.schedule.name == "learned_monotone"
    uses_grid = c.sampler != samplers.ODE
    wrong = {
        f"config.sample.num_steps = {c.num_steps} is more than config.schedule.num_steps ="
        f" {num_latents}, the latents there are: write at most that.": uses_grid
        and not listed
        and 0 < num_latents < c.num_steps,
        f"config.sample.spacing = {c.spacing!r} chooses latents by a fixed table, which"
        " config.schedule.name = 'learned_monotone' with a finite config.schedule.num_steps"
        " has not: write 'uniform' or 'quadratic'.": uses_grid
        and learned
        and num_latents != CONTINUOUS
        and c.spacing in time_grids.BY_VALUE,
        f"config.sample.explicit.times = {tuple(c.explicit.times)} are not used: write"
        " config.sample.spacing = 'explicit' too.": bool(c.explicit.times)
        and not listed,
        f"config.sample.end = {c.end!r} takes z_0 itself, to which config.sample.explicit."
        "times must lead: let them end with 0.": uses_grid
        and listed
        and c.end != "denoise"
        and bool(c.explicit.times)
        and c.explicit.times[-1] != 0,
        "config.sample.sampler = 'ode' needs a model between the latents of a chain too,"
        " which config.prediction = 'mean', the mean of the latent before, does not give:"
        " write another sampler.": not uses_grid
        and num_latents != CONTINUOUS
        and config.prediction == "mean",
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)
    check_guidance(config)
    tasks.check(config)
    with errors_are_the_users():
        samplers.threshold(config)
        if uses_grid:
            samplers.num_evaluations(config)
            # Any schedule will do to say whether there is such a grid.
            if not (learned and c.spacing in time_grids.BY_VALUE):
                samplers.times_of(config, schedules.linear_log_snr(-5.0, 5.0).log_snr)
        else:
            samplers.solve_of(config)


def check_guidance(config: Config) -> None:
    """The same of guidance, before another model is read."""
    c = config.sample
    told, name = config.model.class_conditional, c.guidance
    where = f"config.sample.guidance = {name!r}"
    wrong = {
        f"{where} goes between the model with classes and the one without: it needs"
        " config.model.class_conditional = True.": name == "classifier_free"
        and not told,
        f"{where} learns what there is without a class in training: it needs"
        " config.model.label_dropout above 0, such as 0.1.": name == "classifier_free"
        and told
        and not config.model.label_dropout,
        f"{where} needs config.sample.classifier.workdir, of a run of a config such as"
        " configs/digits_classifier.py.": name == "classifier"
        and not c.classifier.workdir,
        f"{where} needs config.sample.autoguidance.workdir, of a weaker model, or"
        " config.sample.autoguidance.step, an earlier one of this run.": name
        == "autoguidance"
        and not c.autoguidance.workdir
        and c.autoguidance.step < 0,
        f"config.sample.classes = {tuple(c.classes)} are told to nobody: that needs"
        " config.model.class_conditional = True, or config.sample.guidance ="
        " 'classifier'.": bool(c.classes) and not told and name != "classifier",
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)
    if name != UNGUIDED:
        if c[name].scale > LARGEST_SCALE:
            raise ConfigError(
                f"config.sample.{name}.scale = {c[name].scale}: write at most"
                f" {LARGEST_SCALE:g}; beyond 10 there is little left but contrast."
            )
        interval = c[name].interval
        if len(interval) not in (0, 2):
            raise ConfigError(
                f"config.sample.{name}.interval = {tuple(interval)}: write two log SNRs, the"
                " lower first, or () for everywhere."
            )
        with errors_about_guidance(config):
            guidance.classifier_free(*strength(c[name]), c[name].get("rescale", 0.0))


@contextlib.contextmanager
def errors_about_guidance(config: Config) -> Iterator[None]:
    """Around what names an option of guidance by itself: errors then name its group."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        name = config.sample.guidance
        raise ConfigError(f"config.sample.{name}.{error}") from error


def strength(options: Config) -> tuple[float, guidance.Interval]:
    """Scale and interval of a kind of guidance."""
    interval = tuple(options.interval)
    return float(options.scale), (interval[0], interval[1]) if interval else None


def contrasted(config: Config) -> dict[str, dict[int, Config]]:
    """Of each sampler of config.sample.contrast, by its numbers of steps, checked.

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
    if names and c.num_steps and min(c.num_steps) < 2:
        raise ConfigError(
            f"config.sample.contrast.num_steps = {tuple(c.num_steps)}: write numbers from 2"
            " on."
        )
    if names and config.sample.spacing == "explicit":
        raise ConfigError(
            "config.sample.contrast goes through numbers of steps, which"
            " config.sample.spacing = 'explicit' does not: write another spacing."
        )
    found: dict[str, dict[int, Config]] = {}
    for name in names:
        choose(samplers.SAMPLERS, name, "sample.contrast.samplers")
    for name in names:
        all_steps = c.num_steps if name != samplers.ODE else (max(c.num_steps),)
        found[name] = {}
        for num_steps in all_steps:
            own = config.copy_and_resolve_references()
            with own.unlocked():
                own.sample.update(sampler=name, num_steps=num_steps)
            try:
                check_way(own)
            except ConfigError as error:
                raise ConfigError(
                    f"config.sample.contrast, {name!r} with {num_steps} steps: {error}"
                ) from error
            found[name][num_steps] = own
    return found
