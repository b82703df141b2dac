"""How samples come about: a sampler's way from noise, or from what is given, to pixels."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError, errors_are_the_users
from ddpm_jax.diffusion.conditioning import editing, linear_constraints
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import ancestral, loop, readout
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.sampling import samplers, tasks
from ddpm_jax.sampling.task import NOTHING, Task


class Samples(NamedTuple):
    """Of each sample.

    Attributes:
      pixels: as values 0..V-1.
      converged: False where an ODE's solver did not arrive.
      num_evaluations: of the network.
      film: the way, if it was asked for.
    """

    pixels: readout.PixelImages
    converged: Bool[Array, " batch"]
    num_evaluations: Int[Array, " batch"]
    film: loop.Film | None


# (model, keys of the samples, keys of the decoder's draws, progress, and where a sample lies
# between two images its number) -> samples.
Draw = Callable[..., Samples]


@errors_are_the_users()
def make(
    config: Config,
    model: Denoiser,
    task: Task = NOTHING,
    log_variance: ancestral.LogVariance | None = None,
    num_frames: int = 0,
) -> Draw:
    """What config.sample says, for a model.

    Args:
      config: of the run.
      model: what the parameters bind.
      task: what samples are made from beside noise.
      log_variance: of config.sample.ancestral.variance = "analytic".
      num_frames: of a film; 0: none.
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
        way = _between(config, model, task)
    elif samplers.takes_own_steps(config):
        way = _by_ode(config, model, task)
    else:
        way = _on_times(config, model, task, log_variance, num_frames)
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
            of_x = dataclasses.replace(
                known, values=pixel_decoder.from_values(known.values)
            )
            diffusion = linear_constraints.constrained(of_x)(diffusion)
        arrival, converged, asked = way(diffusion, keys, progress, numbers)
        if known is not None:
            values = pixel_decoder.values(arrival.prediction.x)
            pixels = linear_constraints.settle(values, known, pixel_decoder.num_values)
        else:
            at_z_0 = arrival.z, arrival.prediction, end_keys, model.num_steps
            pixels = readout.to_pixels(end, diffusion, pixel_decoder, *at_z_0)
        return Samples(pixels, converged, asked, arrival.film)

    return draw


# (model, keys, progress, numbers) -> where it leads, whether it got there, evaluations.
Rollout = Callable[
    [Diffusion, Array, Any, Array | None], tuple[loop.Result, Array, Array]
]


def _begin(
    model: Denoiser, task: Task, diffusion: Diffusion, keys: Array, t: Array
) -> Images:
    """The latent at the first time, t: noise, or a noisy version of what is given."""
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
    built = samplers.sampler_of(config, log_variance)
    asked, fixed = samplers.num_evaluations(config), None
    # Which latents of a chain are nearest to a log SNR is settled before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = samplers.times_of(config, model.schedule.log_snr)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[loop.Result, Array, Array]:
        times = samplers.times_of(config, diffusion.log_snr) if fixed is None else fixed
        times = times[-samplers.num_visited(config) :]
        z = _begin(model, task, diffusion, keys, times[0])
        options = {"num_frames": num_frames, "progress": progress}
        arrival = loop.sample_from(diffusion, built, times, z, keys, **options)
        arrived = jnp.ones(keys.shape, bool)
        return arrival, arrived, jnp.full(keys.shape, asked, jnp.int32)

    return way


def _by_ode(config: Config, model: Denoiser, task: Task) -> Rollout:
    solve, start = samplers.solve_of(config), tasks.options_of(config).share_of_times

    def way(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[loop.Result, Array, Array]:
        z = _begin(model, task, diffusion, keys, jnp.asarray(start, jnp.float32))
        found = probability_flow.backward(diffusion, z, solve, start)
        prediction = diffusion.denoise(found.z_0, jnp.zeros(keys.shape))
        arrival = loop.Result(found.z_0, prediction, None)
        # The one at z_0 comes on top.
        asked = probability_flow.num_evaluations(found.num_steps, solve) + 1
        return arrival, found.converged, asked

    return way


def _between(config: Config, model: Denoiser, task: Task) -> Rollout:
    """Sample j of N is j / (N - 1) of the way from one image to the other."""
    num_iterations = config.sample.interpolation.num_iterations
    # Of each image once before its first step up and once where it ends, too.
    climb = num_iterations * (samplers.num_times(config) - 1) + 2
    asked = 2 * climb + samplers.num_evaluations(config)
    assert task.first is not None and task.last is not None
    ends_of_way = jnp.stack([jnp.asarray(task.first), jnp.asarray(task.last)])

    def way(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[loop.Result, Array, Array]:
        assert numbers is not None
        times = samplers.times_of(config, diffusion.log_snr)
        first, last = model.pixel_decoder.encode(ends_of_way, times.dtype)
        fractions = numbers / (config.sample.num_samples - 1)
        arrival = editing.interpolate(
            diffusion, first, last, times, jnp.clip(fractions, 0.0, 1.0), num_iterations
        )
        arrived = jnp.ones(keys.shape, bool)
        return arrival, arrived, jnp.full(keys.shape, asked, jnp.int32)

    return way
