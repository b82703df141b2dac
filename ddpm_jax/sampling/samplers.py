"""The sampler, time grid, threshold and readout that config.sample names."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, chosen, make_chosen
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
    """Whether the sampler chooses its own steps, rather than taking a list of times."""
    return sampler_choice(config)[0].has("own_steps")


def num_evaluations(config: Config) -> int:
    """The number of evaluations for a sample, of a sampler on a list of times."""
    sampler, times = sampler_of(config), jnp.zeros(num_visited(config))
    try:
        plan = jax.eval_shape(lambda t: sampler.plan(jnp.negative, t), times)
    except ConfigError:
        raise
    except ValueError as error:
        # Only resampling, which repeats segments of the times, refuses a list of times.
        raise ConfigError(f"config.sample.{config.sample.task}.{error}") from error
    return int(plan.t.shape[0]) + 1


def name(config: Config) -> str:
    """A short name of sampler, steps and guidance, for files and pictures."""
    c = config.sample
    steps = solve_of(config).solver if takes_own_steps(config) else num_times(config)
    label = f"{c.sampler}_{steps}"
    guide, options = chosen(guides.GUIDES, c, "guidance", "sample")
    assert isinstance(options, GuidanceOptions)
    if not guide.has("unguided"):
        label += f"_{c.guidance}" + (f"_{options.label}" if options.label else "")
    from_noise = tasks.TASKS[c.task].has("from_noise")
    return label if from_noise else f"{label}_{c.task}"


def num_times(config: Config) -> int:
    """The number of times of the grid."""
    _, options = chosen(TIME_GRIDS, config.sample, "spacing", "sample")
    assert isinstance(options, Counted)
    return options.num_visited(config.sample.num_steps)


def num_visited(config: Config) -> int:
    """The number of times that the task visits: the last ones of the grid."""
    share = tasks.options_of(config).share_of_times
    return max(1, round(share * num_times(config)))


def sampler_of(config: Config, log_variance: LogVariance | None = None) -> loop.Sampler:
    """The sampler on a list of times, with the task's resampling if it has one."""
    setting = Setting(config.schedule.num_steps, log_variance)
    sampler: loop.Sampler = _from_sample_config(SAMPLERS, config, "sampler", setting)
    # Any sampler satisfies a constraint; only RePaint's jumps need the sampler wrapped.
    resampling = tasks.options_of(config).resampling
    if resampling is None:
        return sampler
    return repaint.make(sampler, resampling.num_resamples, resampling.jump_length)


def solve_of(config: Config) -> probability_flow.Solve:
    """The ODE's solver, of a sampler that chooses its own steps."""
    solve: probability_flow.Solve = _from_sample_config(
        SAMPLERS, config, "sampler", Setting()
    )
    return solve


def threshold(config: Config) -> Callable[[Diffusion], Diffusion]:
    """The threshold of x_hat that config.sample names."""
    return _from_sample_config(THRESHOLDS, config, "threshold")


def readout(config: Config) -> Readout:
    """The readout of pixels that config.sample names."""
    return _from_sample_config(READOUTS, config, "end")


def times_of(config: Config, log_snr: LogSnr) -> Float[Array, " num_times"]:
    """The times of the grid, decreasing from 1."""
    c = config.sample
    inputs = (log_snr, config.schedule.num_steps, c.num_steps)
    return _from_sample_config(TIME_GRIDS, config, "spacing", *inputs)


def _from_sample_config(
    table: dict[str, Choice], config: Config, field: str, *inputs: Any
) -> Any:
    return make_chosen(table, config.sample, field, "sample", *inputs)
