"""Which S times a sampler visits, from 1 down to 0, both included unless they are listed.

A chain of T latents has T times, of which a shorter sampler takes S; in continuous time any
S will do.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.process.monotone_curve import inverse_of_decreasing
from ddpm_jax.diffusion.process.times import CONTINUOUS

Grid = Int[np.ndarray, " num_visited"]


def uniform(
    log_snr: LogSnr, num_steps: int, num_visited: int
) -> Float[Array, " num_visited"]:
    """Evenly spaced times ("linear" in Song et al. 2021, arXiv:2010.02502, app. D.2).

    Args:
      log_snr: the schedule; only `by_log_snr` needs it.
      num_steps: T, latents of the model, or `times.CONTINUOUS`.
      num_visited: S, times at which the sampler evaluates the network.

    Returns:
      Times from 1 to 0, strictly decreasing; all of a chain's when S = T.

    Raises:
      ValueError: S is below 2, or above T.
    """
    _check(num_visited, num_steps)
    return at_latents(np.linspace(0.0, 1.0, num_visited), num_steps)


def quadratic(
    log_snr: LogSnr, num_steps: int, num_visited: int
) -> Float[Array, " num_visited"]:
    """Times that grow as squares, dense where noise is low ("quadratic", ibid.).

    Where a chain's are less than one apart, each takes the next that is free. Same
    arguments and errors as `uniform`.
    """
    _check(num_visited, num_steps)
    return at_latents(np.linspace(0.0, 1.0, num_visited) ** 2, num_steps)


def by_log_snr(
    log_snr: LogSnr, num_steps: int, num_visited: int
) -> Float[Array, " num_visited"]:
    """Times at evenly spaced log SNRs, or of a chain the nearest ones to these.

    Same arguments and errors as `uniform`. A chain's schedule must be a fixed one, since
    which latents are nearest cannot change while a program runs.
    """
    _check(num_visited, num_steps)
    first, last = log_snr(jnp.zeros(())), log_snr(jnp.ones(()))
    wanted = first + (last - first) * jnp.linspace(0.0, 1.0, num_visited)
    return _at(log_snr, num_steps, wanted)


def karras(
    log_snr: LogSnr, num_steps: int, num_visited: int, rho: float = 7.0
) -> Float[Array, " num_visited"]:
    """Times at which (sigma / alpha)^(1 / rho) is evenly spaced.

    (Karras et al. 2022, arXiv:2206.00364, eq. 5.) Same arguments and errors as
    `by_log_snr`, which is the limit of large rho.

    Raises:
      ValueError: rho is not from 1 to 1000, too.
    """
    _check(num_visited, num_steps)
    # Beyond, float32 cannot tell the roots apart.
    if not 1.0 <= rho <= 1000.0:
        raise ValueError(f"rho = {rho}: write a number from 1 to 1000, such as 7.0.")
    ends = jnp.exp(-0.5 / rho * log_snr(jnp.array([0.0, 1.0])))
    root = ends[0] + (ends[1] - ends[0]) * jnp.linspace(0.0, 1.0, num_visited)
    return _at(log_snr, num_steps, -2.0 * rho * jnp.log(root))


def explicit(
    log_snr: LogSnr, num_steps: int, num_visited: int, times: Sequence[float | int] = ()
) -> Float[Array, " num_visited"]:
    """The times of a list: of a chain its indices 0..T-1, in continuous time from [0, 1].

    It may start below 1, where the latent is then taken to be noise, and end above 0, from
    where x_hat is the last step.

    Raises:
      ValueError: the list is empty, does not decrease, or leaves its range.
    """
    del log_snr, num_visited
    listed = np.asarray(times, np.float64)
    last = 1.0 if num_steps == CONTINUOUS else float(num_steps - 1)
    if not listed.size or np.any(np.diff(listed) >= 0.0):
        raise ValueError(
            f"times = {tuple(times)} do not decrease: write some from {last:g} down to 0."
        )
    if not np.all((listed >= 0.0) & (listed <= last)):
        raise ValueError(
            f"times = {tuple(times)} are not all from 0 to {last:g}, where the model is."
        )
    if num_steps != CONTINUOUS and np.any(listed % 1.0):
        raise ValueError(
            f"times = {tuple(times)} of a chain: write whole numbers, its indices."
        )
    return jnp.asarray(listed / last)


def _at(
    log_snr: LogSnr, num_steps: int, wanted: Float[Array, " num_visited"]
) -> Float[Array, " num_visited"]:
    """Times from 1 down at which the log SNR is this, which falls from that of t = 0."""
    t = inverse_of_decreasing(log_snr)(wanted)
    if num_steps == CONTINUOUS:
        # The bisection knows both ends only to its last digit.
        return t.at[0].set(0.0).at[-1].set(1.0)[::-1]
    return at_latents(np.asarray(t), num_steps)


def at_latents(
    ideal: Float[np.ndarray, " num_visited"], num_steps: int
) -> Float[Array, " num_visited"]:
    """Increasing times as they are, or moved to a chain's grid; from 1 down."""
    if num_steps == CONTINUOUS:
        return jnp.asarray(ideal[::-1])
    return jnp.asarray(_distinct(ideal, num_steps)[::-1] / (num_steps - 1))


def _distinct(ideal: Float[np.ndarray, " num_visited"], num_steps: int) -> Grid:
    """The nearest indices of a chain's times, moved apart where they meet."""
    order = np.arange(ideal.size)
    nearest = np.rint(ideal * (num_steps - 1)).astype(int)
    # A sequence increases strictly when, less its order, it does not decrease.
    rising = np.maximum.accumulate(nearest - order)
    return np.minimum(rising, num_steps - ideal.size) + order


def _check(num_visited: int, num_steps: int) -> None:
    if num_visited < 2 or 0 < num_steps < num_visited:
        most = f"to {num_steps}" if num_steps else "or more"
        raise ValueError(f"num_visited = {num_visited}: the model allows 2 {most}.")


@dataclasses.dataclass(frozen=True)
class Counted(Options):
    """Options of a grid of as many times as are wanted."""

    def num_visited(self, num_visited: int) -> int:
        """As many as are wanted."""
        return num_visited


@dataclasses.dataclass(frozen=True)
class Karras(Counted):
    """Options of `karras`."""

    rho: float = option(7.0, "The root that is evenly spaced.")


@dataclasses.dataclass(frozen=True)
class Explicit(Counted):
    """Options of `explicit`."""

    times: tuple[float | int, ...] = option(
        (),
        "A chain's indices, or t of continuous time; decreasing.",
        example=(999, 499, 0),
    )

    def num_visited(self, num_visited: int) -> int:
        """How many times the list has."""
        return len(self.times)


def _counted(grid: Callable[..., Float[Array, " num_visited"]], *traits: str) -> Choice:
    return Choice(Counted, lambda _, *at: grid(*at), frozenset(traits))


# What each stands on is the schedule's log SNR, T, and how many times are wanted. The traits:
# "finds_log_snr", which a learned chain has no table for; "listed", which counts by itself.
TIME_GRIDS: Table = {
    "uniform": _counted(uniform),
    "quadratic": _counted(quadratic),
    "log_snr": _counted(by_log_snr, "finds_log_snr"),
    "karras": Choice(
        Karras, lambda o, *at: karras(*at, rho=o.rho), frozenset({"finds_log_snr"})
    ),
    "explicit": Choice(
        Explicit, lambda o, *at: explicit(*at, times=o.times), frozenset({"listed"})
    ),
}
