"""Rollouts: a sampler's run from noise, or from a task's images, to pixels."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError, as_config_errors
from ddpm_jax.diffusion.conditioning import editing, linear_constraints
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.pixel_decoder import PixelImages
from ddpm_jax.diffusion.samplers import ancestral, loop, readout
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.sampling import samplers, tasks
from ddpm_jax.sampling.task import FROM_NOISE, Task


class Samples(NamedTuple):
    """A batch of samples.

    Attributes:
      pixels: pixel values 0..V-1, or real numbers.
      converged: False where an ODE's solver did not reach z_0.
      num_evaluations: evaluations of the network for each sample.
      film: the film of the trajectory, if frames are kept.
    """

    pixels: PixelImages
    converged: Bool[Array, " batch"]
    num_evaluations: Int[Array, " batch"]
    film: loop.Film | None


# (model, keys of the samples, keys of the decoder's draws, progress, numbers of the samples,
# which interpolation needs) -> samples.
Draw = Callable[..., Samples]


@as_config_errors()
def make(
    config: Config,
    model: Denoiser,
    task: Task = FROM_NOISE,
    log_variance: ancestral.LogVariance | None = None,
    num_frames: int = 0,
) -> Draw:
    """The function that draws a batch of samples as config.sample says.

    Args:
      config: the run's config.
      model: the denoiser.
      task: the images and constraints of a task.
      log_variance: the log variance of config.sample.ancestral.variance = "analytic".
      num_frames: frames of a film; 0: none.
    """
    c = config.sample
    change = samplers.threshold(config)
    _, options = samplers.sampler_choice(config)
    if options.variance_examples and log_variance is None:
        raise ConfigError(
            f"config.sample.{c.sampler}.variance = {options.values()['variance']!r} is"
            " estimated from a checkpoint, for --mode=sample: while training write another,"
            " or config.training.sample_every = 0."
        )
    if task.last is not None:
        rollout = _between(config, model, task)
    elif samplers.takes_own_steps(config):
        rollout = _by_ode(config, model, task)
    else:
        rollout = _on_times(config, model, task, log_variance, num_frames)
    pixel_decoder, known = model.pixel_decoder, task.known
    end = samplers.readout(config)

    def draw(
        diffusion: Diffusion,
        keys: Array,
        end_keys: Array,
        progress: Any,
        numbers: Array | None = None,
    ) -> Samples:
        diffusion = change(diffusion)
        if known is not None:
            known_x = dataclasses.replace(
                known, values=pixel_decoder.from_values(known.values)
            )
            diffusion = linear_constraints.constrained(known_x)(diffusion)
        result, converged, num_evaluations = rollout(diffusion, keys, progress, numbers)
        if known is not None:
            values = pixel_decoder.values(result.prediction.x)
            pixels = linear_constraints.settle(values, known, pixel_decoder.num_values)
        else:
            last = result.z, result.prediction, end_keys, model.num_steps
            pixels = readout.to_pixels(end, diffusion, pixel_decoder, *last)
        return Samples(pixels, converged, num_evaluations, result.film)

    return draw


# (model, keys, progress, numbers) -> the sampler's result, whether it converged, evaluations.
Rollout = Callable[
    [Diffusion, Array, Any, Array | None], tuple[loop.Result, Array, Array]
]


def _first_latent(
    model: Denoiser, task: Task, diffusion: Diffusion, keys: Array, t: Array
) -> Images:
    """The latents at the first time t: noise, or the task's image with noise."""
    if task.first is None:
        return loop.first_latent(keys, model.shape, t.dtype)
    x = model.pixel_decoder.encode(jnp.asarray(task.first)[None], t.dtype)
    x = jnp.broadcast_to(x, (keys.shape[0], *model.shape))
    return editing.noised(diffusion, x, keys, t)


def _on_times(
    config: Config,
    model: Denoiser,
    task: Task,
    log_variance: ancestral.LogVariance | None,
    num_frames: int,
) -> Rollout:
    sampler = samplers.sampler_of(config, log_variance)
    num_evaluations, fixed = samplers.num_evaluations(config), None
    # The latents of a chain nearest to a log SNR are found before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = samplers.times_of(config, model.schedule.log_snr)

    def rollout(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[loop.Result, Array, Array]:
        times = samplers.times_of(config, diffusion.log_snr) if fixed is None else fixed
        times = times[-samplers.num_visited(config) :]
        z = _first_latent(model, task, diffusion, keys, times[0])
        options = {"num_frames": num_frames, "progress": progress}
        result = loop.sample_from(diffusion, sampler, times, z, keys, **options)
        converged = jnp.ones(keys.shape, bool)
        return result, converged, jnp.full(keys.shape, num_evaluations, jnp.int32)

    return rollout


def _by_ode(config: Config, model: Denoiser, task: Task) -> Rollout:
    solve, start = samplers.solve_of(config), tasks.options_of(config).share_of_times

    def rollout(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[loop.Result, Array, Array]:
        z = _first_latent(model, task, diffusion, keys, jnp.asarray(start, jnp.float32))
        solution = probability_flow.backward(diffusion, z, solve, start)
        prediction = diffusion.denoise(solution.z_0, jnp.zeros(keys.shape))
        result = loop.Result(solution.z_0, prediction, None)
        # One more evaluation is at z_0.
        num_evaluations = (
            probability_flow.num_evaluations(solution.num_steps, solve) + 1
        )
        return result, solution.converged, num_evaluations

    return rollout


def _between(config: Config, model: Denoiser, task: Task) -> Rollout:
    """The rollout of interpolation: sample j of N has the fraction j / (N - 1)."""
    num_iterations = config.sample.interpolation.num_iterations
    # Each image has one evaluation before its first step up and one at the end, too.
    num_inversion = num_iterations * (samplers.num_times(config) - 1) + 2
    num_evaluations = 2 * num_inversion + samplers.num_evaluations(config)
    assert task.first is not None and task.last is not None
    end_images = jnp.stack([jnp.asarray(task.first), jnp.asarray(task.last)])

    def rollout(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[loop.Result, Array, Array]:
        assert numbers is not None
        times = samplers.times_of(config, diffusion.log_snr)
        first, last = model.pixel_decoder.encode(end_images, times.dtype)
        fractions = numbers / (config.sample.num_samples - 1)
        result = editing.interpolate(
            diffusion, first, last, times, jnp.clip(fractions, 0.0, 1.0), num_iterations
        )
        converged = jnp.ones(keys.shape, bool)
        return result, converged, jnp.full(keys.shape, num_evaluations, jnp.int32)

    return rollout
