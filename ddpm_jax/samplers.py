"""How samples are drawn: from config.sample to images."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ddpm_jax.binding import Model
from ddpm_jax.config import Config, ConfigError, errors_are_the_users
from ddpm_jax.diffusion import flow, predictions, schedules
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
    unipc,
)


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


# (model, keys of the samples, keys of the decoder's draws, progress) -> samples.
Draw = Callable[
    [Diffusion, Key[Array, " batch"], Key[Array, " batch"], chain.Progress | None],
    Drawn,
]


@errors_are_the_users()
def make(
    config: Config,
    model: Model,
    log_variance: ancestral.LogVariance | None = None,
    num_frames: int = 0,
) -> Draw:
    """What config.sample says, for a model.

    Args:
      config: of the run.
      model: what the parameters bind.
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
    if c.sampler == ODE:
        way = _by_ode(config, model)
    else:
        way = _on_times(config, model, log_variance, num_frames)

    def draw(
        diffusion: Diffusion, keys: Array, end_keys: Array, progress: Any
    ) -> Drawn:
        diffusion = change(diffusion)
        arrival, converged, asked = way(diffusion, keys, progress)
        at_z_0 = arrival.z, arrival.prediction, end_keys, model.num_steps
        pixels = ends.to_pixels(c.end, diffusion, model.codec, *at_z_0)
        return Drawn(pixels, converged, asked, arrival.film)

    return draw


# (model, keys, progress) -> where it leads, whether it got there, evaluations.
Way = Callable[[Diffusion, Array, Any], tuple[chain.Arrival, Array, Array]]


def _on_times(
    config: Config,
    model: Model,
    log_variance: ancestral.LogVariance | None,
    num_frames: int,
) -> Way:
    built = sampler_of(config) if log_variance is None else ancestral.make(log_variance)
    asked, fixed = num_evaluations(config), None
    # Which latents of a chain are nearest to a log SNR is settled before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = times_of(config, model.schedule.log_snr)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any
    ) -> tuple[chain.Arrival, Array, Array]:
        times = times_of(config, diffusion.log_snr) if fixed is None else fixed
        arrival = chain.sample(
            diffusion,
            built,
            times,
            keys,
            model.shape,
            num_frames=num_frames,
            progress=progress,
        )
        arrived = jnp.ones(keys.shape, bool)
        return arrival, arrived, jnp.full(keys.shape, asked, jnp.int32)

    return way


def _by_ode(config: Config, model: Model) -> Way:
    solve = solve_of(config)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any
    ) -> tuple[chain.Arrival, Array, Array]:
        z_1 = chain.first_latent(keys, model.shape, jnp.float32)
        found = flow.backward(diffusion, z_1, solve)
        prediction = diffusion.denoise(found.z_0, jnp.zeros(keys.shape))
        arrival = chain.Arrival(found.z_0, prediction, None)
        # The one at z_0 comes on top.
        asked = flow.num_evaluations(found.num_steps, solve) + 1
        return arrival, found.converged, asked

    return way


def num_evaluations(config: Config) -> int:
    """Of the network, a sample, by a sampler on a list of times."""
    built, times = sampler_of(config), jnp.zeros(_num_times(config))
    plan = jax.eval_shape(lambda t: built.plan(jnp.negative, t), times)
    return int(plan.t.shape[0]) + 1


def name(config: Config) -> str:
    """A short one of sampler, steps and guidance, for files and pictures."""
    c = config.sample
    way = c.ode.solver if c.sampler == ODE else _num_times(config)
    own = f"{c.sampler}_{way}"
    if c.guidance != "none":
        own += f"_{c.guidance}_{c[c.guidance].scale:g}"
    return own


def _num_times(config: Config) -> int:
    c = config.sample
    return len(c.explicit.times) if c.spacing == "explicit" else c.num_steps


def sampler_of(config: Config) -> chain.Sampler:
    c = config.sample
    with _named(f"config.sample.{c.sampler}."):
        return ON_TIMES[c.sampler](c[c.sampler], config.schedule.num_steps)


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
