"""How samples are drawn: from config.sample to images."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ddpm_jax import tasks
from ddpm_jax.binding import Model
from ddpm_jax.config import Config, ConfigError, errors_are_the_users
from ddpm_jax.diffusion import constraints, editing, flow, predictions, schedules
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Diffusion, LogSnr
from ddpm_jax.diffusion.samplers import (
    ancestral,
    chain,
    ddim,
    dpm_solver,
    edm,
    ends,
    grids,
    predictor_corrector,
    repaint,
    unipc,
)
from ddpm_jax.tasks import Task


@contextlib.contextmanager
def _named(prefix: str) -> Iterator[None]:
    """Around what names an option by itself: errors then name the group too."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from error


ANALYTIC = "analytic"
# By config.sample.ancestral.variance; "analytic" is estimated from data (`variance.py`).
VARIANCES: dict[str, ancestral.LogVariance | None] = {
    "model": ancestral.own_variance,
    "posterior": ancestral.fixed_variance(0.0),
    "forward": ancestral.fixed_variance(1.0),
    ANALYTIC: None,
}


def _multistep(o: Config) -> chain.Sampler:
    return dpm_solver.multistep(o.order, o.eta, o.lower_order_final)


def _single_step(o: Config) -> chain.Sampler:
    if o.eta:
        raise ValueError(f"eta = {o.eta}: a single step draws no noise: write 0.0.")
    return dpm_solver.single_step(o.order)


# By config.sample.dpm_solver.method, from that group.
DPM_SOLVERS: dict[str, Callable[[Config], chain.Sampler]] = {
    "multistep": _multistep,
    "single_step": _single_step,
}


def _churn(o: Config) -> edm.Churn:
    c = o.churn
    with _named("churn."):
        return edm.Churn(c.amount, c.least, c.most or math.inf, c.noise)


# On a list of times; each from the group of its name, and T.
ON_TIMES: dict[str, Callable[[Config, int], chain.Sampler]] = {
    "ancestral": lambda o, _: ancestral.make(
        VARIANCES[o.variance] or ancestral.own_variance
    ),
    "ddim": lambda o, _: ddim.make(o.eta),
    "dpm_solver": lambda o, _: DPM_SOLVERS[o.method](o),
    "unipc": lambda o, _: unipc.make(o.order, o.lower_order_final),
    "euler": lambda o, num_steps: edm.euler(_churn(o), num_steps),
    "heun": lambda o, num_steps: edm.heun(_churn(o), num_steps),
    "predictor_corrector": lambda o, _: predictor_corrector.make(
        o.snr, o.num_corrections
    ),
}
# Which takes steps of its own.
ODE = "ode"
SAMPLERS: Mapping[str, Any] = {**ON_TIMES, ODE: None}

# By config.sample.threshold, what is done to the model.
THRESHOLDS: dict[str, Callable[[Config], Callable[[Diffusion], Diffusion]]] = {
    "none": lambda options: lambda diffusion: diffusion,
    "static": lambda options: predictions.clipped,
    "dynamic": lambda options: predictions.dynamic_clip(options.quantile),
}


class Drawn(NamedTuple):
    """Of each sample.

    Attributes:
      pixels: as values 0..V-1.
      converged: False where an ODE's solver did not arrive.
      num_evaluations: of the network.
      film: the way, if it was asked for.
    """

    pixels: ends.PixelImages
    converged: Bool[Array, " batch"]
    num_evaluations: Int[Array, " batch"]
    film: chain.Film | None


# (model, keys of the samples, keys of the decoder's draws, progress, and where a sample lies
# between two images its number) -> samples.
Draw = Callable[..., Drawn]


@errors_are_the_users()
def make(
    config: Config,
    model: Model,
    task: Task = tasks.NOTHING,
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
    change = threshold(config)
    estimated = c.sampler == "ancestral" and c.ancestral.variance == ANALYTIC
    if estimated and log_variance is None:
        raise ConfigError(
            "config.sample.ancestral.variance = 'analytic' is estimated from a checkpoint,"
            " for --mode=sample: while training write another, or"
            " config.training.sample_every = 0."
        )
    if task.last is not None:
        way = _between(config, model, task)
    elif c.sampler == ODE:
        way = _by_ode(config, model, task)
    else:
        way = _on_times(config, model, task, log_variance, num_frames)
    codec, known = model.codec, task.known

    def draw(
        diffusion: Diffusion,
        keys: Array,
        end_keys: Array,
        progress: Any,
        numbers: Array | None = None,
    ) -> Drawn:
        diffusion = change(diffusion)
        if known is not None:
            of_x = dataclasses.replace(known, values=codec.from_values(known.values))
            diffusion = constraints.constrained(of_x)(diffusion)
        arrival, converged, asked = way(diffusion, keys, progress, numbers)
        if known is not None:
            values = codec.values(arrival.prediction.x)
            pixels = constraints.settle(values, known, codec.num_values)
        else:
            at_z_0 = arrival.z, arrival.prediction, end_keys, model.num_steps
            pixels = ends.to_pixels(c.end, diffusion, codec, *at_z_0)
        return Drawn(pixels, converged, asked, arrival.film)

    return draw


# (model, keys, progress, numbers) -> where it leads, whether it got there, evaluations.
Way = Callable[
    [Diffusion, Array, Any, Array | None], tuple[chain.Arrival, Array, Array]
]


def _begin(
    model: Model, task: Task, diffusion: Diffusion, keys: Array, t: Array
) -> Images:
    """The latent at the first time, t: noise, or a noisy version of what is given."""
    if task.first is None:
        return chain.first_latent(keys, model.shape, t.dtype)
    x = model.codec.encode(jnp.asarray(task.first)[None], t.dtype)
    x = jnp.broadcast_to(x, (keys.shape[0], *model.shape))
    return editing.begin(diffusion, x, keys, t)


def _on_times(
    config: Config,
    model: Model,
    task: Task,
    log_variance: ancestral.LogVariance | None,
    num_frames: int,
) -> Way:
    built = sampler_of(config, log_variance)
    asked, fixed = num_evaluations(config), None
    # Which latents of a chain are nearest to a log SNR is settled before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = times_of(config, model.schedule.log_snr)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[chain.Arrival, Array, Array]:
        times = times_of(config, diffusion.log_snr) if fixed is None else fixed
        times = times[-_num_visited(config) :]
        z = _begin(model, task, diffusion, keys, times[0])
        options = {"num_frames": num_frames, "progress": progress}
        arrival = chain.follow(diffusion, built, times, z, keys, **options)
        arrived = jnp.ones(keys.shape, bool)
        return arrival, arrived, jnp.full(keys.shape, asked, jnp.int32)

    return way


def _by_ode(config: Config, model: Model, task: Task) -> Way:
    solve, start = solve_of(config), _share_of_way(config)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[chain.Arrival, Array, Array]:
        z = _begin(model, task, diffusion, keys, jnp.asarray(start, jnp.float32))
        found = flow.backward(diffusion, z, solve, start)
        prediction = diffusion.denoise(found.z_0, jnp.zeros(keys.shape))
        arrival = chain.Arrival(found.z_0, prediction, None)
        # The one at z_0 comes on top.
        asked = flow.num_evaluations(found.num_steps, solve) + 1
        return arrival, found.converged, asked

    return way


def _between(config: Config, model: Model, task: Task) -> Way:
    """Sample j of N is j / (N - 1) of the way from one image to the other."""
    num_iterations = config.sample.interpolation.num_iterations
    # Of each image once before its first step up and once where it ends, too.
    climb = num_iterations * (_num_times(config) - 1) + 2
    asked = 2 * climb + num_evaluations(config)
    assert task.first is not None and task.last is not None
    ends_of_way = jnp.stack([jnp.asarray(task.first), jnp.asarray(task.last)])

    def way(
        diffusion: Diffusion, keys: Array, progress: Any, numbers: Array | None
    ) -> tuple[chain.Arrival, Array, Array]:
        assert numbers is not None
        times = times_of(config, diffusion.log_snr)
        first, last = model.codec.encode(ends_of_way, times.dtype)
        fractions = numbers / (config.sample.num_samples - 1)
        arrival = editing.interpolate(
            diffusion, first, last, times, jnp.clip(fractions, 0.0, 1.0), num_iterations
        )
        arrived = jnp.ones(keys.shape, bool)
        return arrival, arrived, jnp.full(keys.shape, asked, jnp.int32)

    return way


def num_evaluations(config: Config) -> int:
    """Of the network, a sample, by a sampler on a list of times."""
    built, times = sampler_of(config), jnp.zeros(_num_visited(config))
    with _named("config.sample.inpainting."):
        plan = jax.eval_shape(lambda t: built.plan(jnp.negative, t), times)
    return int(plan.t.shape[0]) + 1


def name(config: Config) -> str:
    """A short one of sampler, steps and guidance, for files and pictures."""
    c = config.sample
    way = c.ode.solver if c.sampler == ODE else _num_times(config)
    own = f"{c.sampler}_{way}"
    if c.guidance != "none":
        own += f"_{c.guidance}_{c[c.guidance].scale:g}"
    return own if c.task == tasks.GENERATE else f"{own}_{c.task}"


def _num_times(config: Config) -> int:
    c = config.sample
    return len(c.explicit.times) if c.spacing == "explicit" else c.num_steps


def _share_of_way(config: Config) -> float:
    """Of the way from noise to an image, what is gone."""
    c = config.sample
    return float(c.image_to_image.strength) if c.task == "image_to_image" else 1.0


def _num_visited(config: Config) -> int:
    """Times that are visited, the last of all."""
    return max(1, round(_share_of_way(config) * _num_times(config)))


def sampler_of(
    config: Config, log_variance: ancestral.LogVariance | None = None
) -> chain.Sampler:
    c = config.sample
    with _named(f"config.sample.{c.sampler}."):
        built = ON_TIMES[c.sampler](c[c.sampler], config.schedule.num_steps)
    if log_variance is not None:
        built = ancestral.make(log_variance)
    # Any sampler keeps what is known; to go back up, RePaint has wishes of its own.
    if c.task != "inpainting" or c.inpainting.num_resamples == 1:
        return built
    with _named("config.sample.inpainting."):
        return repaint.make(built, c.inpainting.num_resamples, c.inpainting.jump_length)


def solve_of(config: Config) -> flow.Solve:
    o = config.sample.ode
    with _named("config.sample.ode."):
        return flow.Solve(o.solver, o.rtol, o.atol, o.max_steps)


def threshold(config: Config) -> Callable[[Diffusion], Diffusion]:
    c = config.sample
    with _named(f"config.sample.{c.threshold}."):
        return THRESHOLDS[c.threshold](c.get(c.threshold))


def times_of(config: Config, log_snr: LogSnr) -> Float[Array, " num_times"]:
    c = config.sample
    with _named(f"config.sample.{c.spacing}."):
        return grids.GRIDS[c.spacing](
            log_snr,
            config.schedule.num_steps,
            c.num_steps,
            **dict(c.get(c.spacing, {})),
        )
