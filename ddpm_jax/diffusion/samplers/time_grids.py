"""Time grids: the S times that a sampler visits, from 1 down to 0 unless they are listed.

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
      num_steps: number T of the model's latents, or `times.CONTINUOUS`.
      num_visited: number S of times at which the sampler evaluates the network.

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

    Times of a chain that would coincide are moved to the next free ones. Arguments and errors
    are those of `uniform`.
    """
    _check(num_visited, num_steps)
    return at_latents(np.linspace(0.0, 1.0, num_visited) ** 2, num_steps)


def by_log_snr(
    log_snr: LogSnr, num_steps: int, num_visited: int
) -> Float[Array, " num_visited"]:
    """Times at evenly spaced log SNRs; in a chain, the times nearest to these.

    Arguments and errors are those of `uniform`. A chain's schedule must be a fixed one, since
    the nearest latents cannot change while a program runs.
    """
    _check(num_visited, num_steps)
    first, last = log_snr(jnp.zeros(())), log_snr(jnp.ones(()))
    wanted = first + (last - first) * jnp.linspace(0.0, 1.0, num_visited)
    return _at(log_snr, num_steps, wanted)


def karras(
    log_snr: LogSnr, num_steps: int, num_visited: int, rho: float = 7.0
) -> Float[Array, " num_visited"]:
    """Times at which (sigma / alpha)^(1 / rho) is evenly spaced.

    (Karras et al. 2022, arXiv:2206.00364, eq. 5.) Arguments and errors are those of
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
    """Listed times: indices 0..T-1 of a chain, or times in [0, 1] in continuous time.

    The list may start below 1, where the latent is then taken to be pure noise, and end above
    0, from where x_hat is the last step.

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
    """Times from 1 down at which the log SNR takes the values of a decreasing list."""
    t = inverse_of_decreasing(log_snr)(wanted)
    if num_steps == CONTINUOUS:
        # The bisection knows both ends only to its last digit.
        return t.at[0].set(0.0).at[-1].set(1.0)[::-1]
    return at_latents(np.asarray(t), num_steps)


def at_latents(
    ideal: Float[np.ndarray, " num_visited"], num_steps: int
) -> Float[Array, " num_visited"]:
    """Increasing times in decreasing order, in a chain moved to its latents' times."""
    if num_steps == CONTINUOUS:
        return jnp.asarray(ideal[::-1])
    return jnp.asarray(_distinct(ideal, num_steps)[::-1] / (num_steps - 1))


def _distinct(ideal: Float[np.ndarray, " num_visited"], num_steps: int) -> Grid:
    """The indices of the nearest times of a chain, moved apart where they coincide."""
    order = np.arange(ideal.size)
    nearest = np.rint(ideal * (num_steps - 1)).astype(int)
    # A sequence increases strictly if it does not decrease after its order is subtracted.
    rising = np.maximum.accumulate(nearest - order)
    return np.minimum(rising, num_steps - ideal.size) + order


def _check(num_visited: int, num_steps: int) -> None:
    if num_visited < 2 or 0 < num_steps < num_visited:
        most = f"to {num_steps}" if num_steps else "or more"
        raise ValueError(f"num_visited = {num_visited}: the model allows 2 {most}.")


@dataclasses.dataclass(frozen=True)
class Counted(Options):
    """Options of a grid whose number of times is given to it."""

    def num_visited(self, num_visited: int) -> int:
        """The number of times of the grid, given the number that the config asks for."""
        return num_visited


@dataclasses.dataclass(frozen=True)
class Karras(Counted):
    """Options of `karras`."""

    rho: float = option(
        7.0, "The order of the root of sigma / alpha that is evenly spaced."
    )


@dataclasses.dataclass(frozen=True)
class Explicit(Counted):
    """Options of `explicit`."""

    times: tuple[float | int, ...] = option(
        (),
        "Indices of a chain's latents, or times in [0, 1]; decreasing.",
        example=(999, 499, 0),
    )

    def num_visited(self, num_visited: int) -> int:
        """The length of the list."""
        return len(self.times)


def _counted(grid: Callable[..., Float[Array, " num_visited"]], *traits: str) -> Choice:
    return Choice(Counted, lambda _, *at: grid(*at), frozenset(traits))


# Each makes an array of times of its options, the schedule's log SNR, T, and the number of
# times. "finds_log_snr": it inverts the schedule, which a learned chain does not allow.
# "listed": its options hold the times.
TIME_GRIDS: Table = {
    "uniform": _counted(uniform),
    "quadratic": _counted(quadratic),
    "log_snr": _counted(by_log_snr, "finds_log_snr"),
    "karras": Choice(
        Karras,
        lambda options, *at: karras(*at, rho=options.rho),
        frozenset({"finds_log_snr"}),
    ),
    "explicit": Choice(
        Explicit,
        lambda options, *at: explicit(*at, times=options.times),
        frozenset({"listed"}),
    ),
}
