"""Which sampler, grid and threshold: from config.sample to functions of a `Diffusion`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, chosen, made
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion, LogSnr
from ddpm_jax.diffusion.samplers import loop, repaint
from ddpm_jax.diffusion.samplers.readout import READOUTS, Readout
from ddpm_jax.diffusion.samplers.setting import LogVariance, SamplerOptions, Setting
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS, Counted
from ddpm_jax.sampling import guides, tasks
from ddpm_jax.sampling.guidance_options import GuidanceOptions


def sampler_choice(config: Config) -> tuple[Choice, SamplerOptions]:
    """The sampler that config.sample names, and its options."""
    choice, options = chosen(SAMPLERS, config.sample, "sampler", "sample")
    assert isinstance(options, SamplerOptions)
    return choice, options


def takes_own_steps(config: Config) -> bool:
    """Whether the sampler has no list of times, but takes steps of its own."""
    return sampler_choice(config)[0].has("own_steps")


def num_evaluations(config: Config) -> int:
    """Evaluations of the network, a sample, by a sampler on a list of times."""
    built, times = sampler_of(config), jnp.zeros(num_visited(config))
    try:
        plan = jax.eval_shape(lambda t: built.plan(jnp.negative, t), times)
    except ConfigError:
        raise
    except ValueError as error:
        # Of the times alone, only what repeats stretches of them complains.
        raise ConfigError(f"config.sample.{config.sample.task}.{error}") from error
    return int(plan.t.shape[0]) + 1


def name(config: Config) -> str:
    """A short name of sampler, steps and guidance, for files and pictures."""
    c = config.sample
    steps = solve_of(config).solver if takes_own_steps(config) else num_times(config)
    own = f"{c.sampler}_{steps}"
    guide, options = chosen(guides.GUIDES, c, "guidance", "sample")
    assert isinstance(options, GuidanceOptions)
    if not guide.has("unguided"):
        own += f"_{c.guidance}" + (f"_{options.label}" if options.label else "")
    from_noise = tasks.TASKS[c.task].has("from_noise")
    return own if from_noise else f"{own}_{c.task}"


def num_times(config: Config) -> int:
    """Times of the whole list."""
    _, options = chosen(TIME_GRIDS, config.sample, "spacing", "sample")
    assert isinstance(options, Counted)
    return options.num_visited(config.sample.num_steps)


def num_visited(config: Config) -> int:
    """Times that are visited, the last of all."""
    share = tasks.options_of(config).share_of_times
    return max(1, round(share * num_times(config)))


def sampler_of(config: Config, log_variance: LogVariance | None = None) -> loop.Sampler:
    """The sampler on a list of times, with the resampling that a task wishes for."""
    choice, options = sampler_choice(config)
    setting = Setting(config.schedule.num_steps, log_variance)
    where = f"config.sample.{config.sample.sampler}"
    built: loop.Sampler = made(choice, options, where, setting)
    # Any sampler keeps what is known; to go back up, RePaint has wishes of its own.
    again = tasks.options_of(config).resampling
    if again is None:
        return built
    return repaint.make(built, again.num_resamples, again.jump_length)


def solve_of(config: Config) -> probability_flow.Solve:
    """How the ODE is solved, of a sampler that takes steps of its own."""
    choice, options = sampler_choice(config)
    where = f"config.sample.{config.sample.sampler}"
    solve: probability_flow.Solve = made(choice, options, where, Setting())
    return solve


def threshold(config: Config) -> Callable[[Diffusion], Diffusion]:
    """What is done to the model's x_hat."""
    return _made_of_sample(THRESHOLDS, config, "threshold")


def readout(config: Config) -> Readout:
    """How the last latent becomes pixels."""
    return _made_of_sample(READOUTS, config, "end")


def times_of(config: Config, log_snr: LogSnr) -> Float[Array, " num_times"]:
    """The list of times, from 1 down."""
    c = config.sample
    at = (log_snr, config.schedule.num_steps, c.num_steps)
    return _made_of_sample(TIME_GRIDS, config, "spacing", *at)


def _made_of_sample(
    table: dict[str, Choice], config: Config, field: str, *stands_on: Any
) -> Any:
    choice, options = chosen(table, config.sample, field, "sample")
    return made(choice, options, f"config.sample.{config.sample[field]}", *stands_on)
