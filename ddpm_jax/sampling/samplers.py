"""Which sampler, grid and threshold: from config.sample to functions of a `Diffusion`."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion, LogSnr
from ddpm_jax.diffusion.process import predictions
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    edm,
    loop,
    predictor_corrector,
    repaint,
    time_grids,
    unipc,
)
from ddpm_jax.sampling import tasks


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


def _multistep(o: Config) -> loop.Sampler:
    return dpm_solver.multistep(o.order, o.eta, o.lower_order_final)


def _single_step(o: Config) -> loop.Sampler:
    if o.eta:
        raise ValueError(f"eta = {o.eta}: a single step draws no noise: write 0.0.")
    return dpm_solver.single_step(o.order)


# By config.sample.dpm_solver.method, from that group.
DPM_SOLVERS: dict[str, Callable[[Config], loop.Sampler]] = {
    "multistep": _multistep,
    "single_step": _single_step,
}


def _churn(o: Config) -> edm.Churn:
    c = o.churn
    with _named("churn."):
        return edm.Churn(c.amount, c.least, c.most or math.inf, c.noise)


# On a list of times; each from the group of its name, and T.
ON_TIMES: dict[str, Callable[[Config, int], loop.Sampler]] = {
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


def num_evaluations(config: Config) -> int:
    """Of the network, a sample, by a sampler on a list of times."""
    built, times = sampler_of(config), jnp.zeros(num_visited(config))
    with _named("config.sample.inpainting."):
        plan = jax.eval_shape(lambda t: built.plan(jnp.negative, t), times)
    return int(plan.t.shape[0]) + 1


def name(config: Config) -> str:
    """A short one of sampler, steps and guidance, for files and pictures."""
    c = config.sample
    way = c.ode.solver if c.sampler == ODE else num_times(config)
    own = f"{c.sampler}_{way}"
    if c.guidance != "none":
        own += f"_{c.guidance}_{c[c.guidance].scale:g}"
    return own if c.task == tasks.GENERATE else f"{own}_{c.task}"


def num_times(config: Config) -> int:
    """Of the whole list of times."""
    c = config.sample
    return len(c.explicit.times) if c.spacing == "explicit" else c.num_steps


def share_of_way(config: Config) -> float:
    """Of the way from noise to an image, what is gone."""
    c = config.sample
    return float(c.image_to_image.strength) if c.task == "image_to_image" else 1.0


def num_visited(config: Config) -> int:
    """Times that are visited, the last of all."""
    return max(1, round(share_of_way(config) * num_times(config)))


def sampler_of(
    config: Config, log_variance: ancestral.LogVariance | None = None
) -> loop.Sampler:
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


def solve_of(config: Config) -> probability_flow.Solve:
    o = config.sample.ode
    with _named("config.sample.ode."):
        return probability_flow.Solve(o.solver, o.rtol, o.atol, o.max_steps)


def threshold(config: Config) -> Callable[[Diffusion], Diffusion]:
    c = config.sample
    with _named(f"config.sample.{c.threshold}."):
        return THRESHOLDS[c.threshold](c.get(c.threshold))


def times_of(config: Config, log_snr: LogSnr) -> Float[Array, " num_times"]:
    c = config.sample
    with _named(f"config.sample.{c.spacing}."):
        return time_grids.GRIDS[c.spacing](
            log_snr,
            config.schedule.num_steps,
            c.num_steps,
            **dict(c.get(c.spacing, {})),
        )
