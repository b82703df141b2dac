"""How samples are drawn: from config.sample to images, and what fits together in it."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ddpm_jax import pictures
from ddpm_jax.binding import Model
from ddpm_jax.config import Config, ConfigError, choose, errors_are_the_users
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
from ddpm_jax.diffusion.times import CONTINUOUS


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
      num_steps: that it took; 0 on a list of times.
      film: the way, if it was asked for.
    """

    pixels: ends.PixelImages
    converged: Bool[Array, " batch"]
    num_steps: Int[Array, " batch"]
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
    end = choose(ends.ENDS, c.end, "sample.end")
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
        arrival, converged, num_steps = way(diffusion, keys, progress)
        at_z_0 = arrival.z, arrival.prediction, end_keys, model.num_steps
        pixels = end(diffusion, model.codec, *at_z_0)
        return Drawn(pixels, converged, num_steps, arrival.film)

    return draw


# (model, keys, progress) -> where it leads, whether it got there, an ODE's steps.
Way = Callable[[Diffusion, Array, Any], tuple[chain.Arrival, Array, Array]]


def _on_times(
    config: Config,
    model: Model,
    log_variance: ancestral.LogVariance | None,
    num_frames: int,
) -> Way:
    built = _sampler(config) if log_variance is None else ancestral.make(log_variance)
    fixed = None
    # Which latents of a chain are nearest to a log SNR is settled before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = _times(config, model.schedule.log_snr)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any
    ) -> tuple[chain.Arrival, Array, Array]:
        times = _times(config, diffusion.log_snr) if fixed is None else fixed
        arrival = chain.sample(
            diffusion,
            built,
            times,
            keys,
            model.shape,
            num_frames=num_frames,
            progress=progress,
        )
        num_steps = jnp.zeros(keys.shape, jnp.int32)
        return arrival, jnp.ones(keys.shape, bool), num_steps

    return way


def _by_ode(config: Config, model: Model) -> Way:
    solve = _solve(config)

    def way(
        diffusion: Diffusion, keys: Array, progress: Any
    ) -> tuple[chain.Arrival, Array, Array]:
        z_1 = chain.first_latent(keys, model.shape, jnp.float32)
        found = flow.backward(diffusion, z_1, solve)
        prediction = diffusion.denoise(found.z_0, jnp.zeros(keys.shape))
        arrival = chain.Arrival(found.z_0, prediction, None)
        return arrival, found.converged, found.num_steps

    return way


def num_evaluations(config: Config, num_times: int) -> int | None:
    """Of the network, a sample; None where the solver decides."""
    if config.sample.sampler == ODE:
        return None
    built = _sampler(config)
    plan = jax.eval_shape(lambda t: built.plan(jnp.negative, t), jnp.zeros(num_times))
    return int(plan.t.shape[0]) + 1


def name(config: Config) -> str:
    """A short one of sampler and steps, for files and pictures."""
    c = config.sample
    if c.sampler == ODE:
        return f"{ODE}_{c.ode.solver}"
    num_times = len(c.explicit.times) if c.spacing == "explicit" else c.num_steps
    return f"{c.sampler}_{num_times}"


def check(config: Config) -> None:
    """Fails on options of config.sample that cannot work, or not together.

    Raises:
      ConfigError: naming the first of them, and what would work.
    """
    film = config.sample.film
    animations = {**dict.fromkeys(pictures.ANIMATIONS), "": None}
    choose(animations, film.animation, "sample.film.animation")
    if film.num_frames and config.sample.sampler == ODE:
        raise ConfigError(
            "config.sample.sampler = 'ode' takes steps of its own, of which there is no"
            " film: write config.sample.film.num_frames = 0."
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
        "sampler": SAMPLERS,
        "spacing": grids.GRIDS,
        "threshold": THRESHOLDS,
        "end": ends.ENDS,
        "ancestral.variance": VARIANCES,
        "dpm_solver.method": DPM_SOLVERS,
        "ode.solver": flow.SOLVERS,
    }
    for field, table in tables.items():
        value = c
        for part in field.split("."):
            value = value[part]
        choose(table, value, f"sample.{field}")
    num_latents = config.schedule.num_steps
    listed = c.spacing == "explicit"
    learned = config.schedule.name == "learned_monotone"
    uses_grid = c.sampler != ODE
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
        and c.spacing in grids.BY_VALUE,
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
    with errors_are_the_users():
        threshold(config)
        if uses_grid:
            _sampler(config)
            # Any schedule will do to say whether there is such a grid.
            if not (learned and c.spacing in grids.BY_VALUE):
                _times(config, schedules.linear_log_snr(-5.0, 5.0).log_snr)
        else:
            _solve(config)


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
    found: dict[str, dict[int, Config]] = {}
    for name in names:
        all_steps = c.num_steps if name != ODE else (max(c.num_steps),)
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


def _sampler(config: Config) -> chain.Sampler:
    c = config.sample
    with _named(f"config.sample.{c.sampler}."):
        return ON_TIMES[c.sampler](c[c.sampler], config.schedule.num_steps)


def _solve(config: Config) -> flow.Solve:
    o = config.sample.ode
    with _named("config.sample.ode."):
        return flow.Solve(o.solver, o.rtol, o.atol, o.max_steps)


def threshold(config: Config) -> Callable[[Diffusion], Diffusion]:
    c = config.sample
    with _named(f"config.sample.{c.threshold}."):
        return THRESHOLDS[c.threshold](c.get(c.threshold))


def _times(config: Config, log_snr: LogSnr) -> Float[Array, " num_times"]:
    c = config.sample
    with _named(f"config.sample.{c.spacing}."):
        return grids.GRIDS[c.spacing](
            log_snr,
            config.schedule.num_steps,
            c.num_steps,
            **dict(c.get(c.spacing, {})),
        )
