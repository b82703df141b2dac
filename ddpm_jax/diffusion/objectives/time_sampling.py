"""From uniform numbers to the times that a step trains at, and what it learns from them.

Each sampler is for a chain of T latents or for continuous time, and either takes u as it is
or goes by a history of losses, which lives in the train state.
"""

import dataclasses
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.likelihood.terms import coordinates
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.objectives import loss_history, snr_history
from ddpm_jax.diffusion.process import monotone_curve
from ddpm_jax.diffusion.process.times import grid_time


class Times(NamedTuple):
    """One time an example.

    Attributes:
      latent: its number, 0..T-1; 0 in continuous time.
      t: in [0, 1].
      weight: under which the mean loss is unbiased for that of uniform times.
      expected: the loss that the history lets one expect there; 0 where nothing is known.
    """

    latent: Int[Array, " batch"]
    t: Float[Array, " batch"]
    weight: Float[Array, " batch"]
    expected: Float[Array, " batch"]


@runtime_checkable
class TimeSampler(Protocol):
    """How a step chooses its times. `log_snr` is the schedule as its parameters are now."""

    def init(self) -> Any:
        """The history before the first step."""

    def draw(self, history: Any, log_snr: LogSnr, u: Float[Array, " batch"]) -> Times:
        """Times from uniform numbers, stratified ones if u is."""

    def record(
        self,
        history: Any,
        log_snr: LogSnr,
        times: Times,
        losses: Float[Array, " batch"],
    ) -> Any:
        """The history after a global batch whose unweighted losses were these."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Every latent of a chain alike.

    Attributes:
      num_steps: T.
      first: the first latent to train at: 0, or 1 where the decoder needs no training.
    """

    num_steps: int
    first: int

    def init(self) -> tuple[()]:
        return ()

    def draw(self, history: Any, log_snr: LogSnr, u: Float[Array, " batch"]) -> Times:
        num_times = self.num_steps - self.first
        number = jnp.clip(jnp.floor(u * num_times).astype(jnp.int32), 0, num_times - 1)
        return _on_grid(number + self.first, self.num_steps, jnp.ones_like(u))

    def record(
        self, history: Any, log_snr: LogSnr, times: Times, losses: Array
    ) -> tuple[()]:
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridByLoss:
    """The latents of a chain by the root mean square of their last losses.

    Attributes:
      num_steps: T.
      first: the first latent to train at.
    """

    num_steps: int
    first: int

    def init(self) -> loss_history.LossHistory:
        return loss_history.init_history(self.num_steps - self.first)

    def draw(self, history: Any, log_snr: LogSnr, u: Float[Array, " batch"]) -> Times:
        number, weight = loss_history.draw(history, u)
        return _on_grid(number + self.first, self.num_steps, weight)

    def record(
        self, history: Any, log_snr: LogSnr, times: Times, losses: Array
    ) -> loss_history.LossHistory:
        return loss_history.record(history, times.latent - self.first, losses)


def _on_grid(index: Array, num_steps: int, weight: Array) -> Times:
    return Times(index, grid_time(index, num_steps), weight, jnp.zeros_like(weight))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Continuous:
    """Any time in [0, 1]: t = u, or by the spread of the loss at each log SNR.

    Attributes:
      low, high: log SNRs that the schedule never leaves.
      by_loss: choose times by the history rather than take u as it is.
      is_stratified: whether u is; then `Times.expected` tells each time's mean loss,
        which costs the batch's mean no variance. Otherwise it is 0.
    """

    low: float
    high: float
    by_loss: bool
    is_stratified: bool

    def init(self) -> snr_history.SnrHistory:
        return snr_history.init(self.low, self.high)

    def draw(self, history: Any, log_snr: LogSnr, u: Float[Array, " batch"]) -> Times:
        t, weight = u, jnp.ones_like(u)
        if self.by_loss:
            high, low = log_snr(jnp.zeros(())), log_snr(jnp.ones(()))
            # High log SNRs first, so that t grows with u.
            wanted, density = snr_history.draw(history, 1.0 - u, low, high)
            t = lax.stop_gradient(monotone_curve.inverse_of_decreasing(log_snr)(wanted))
            weight = 1.0 / (-coordinates(log_snr, t).slope * density)
        at = coordinates(log_snr, t)
        known = jnp.zeros_like(t)
        if self.is_stratified:
            known = -at.slope * snr_history.expected(history, at.log_snr)
        times = Times(jnp.zeros_like(u, jnp.int32), t, weight, known)
        return Times(*map(lax.stop_gradient, times))

    def record(
        self, history: Any, log_snr: LogSnr, times: Times, losses: Array
    ) -> snr_history.SnrHistory:
        at = coordinates(log_snr, times.t)
        return snr_history.record(history, at.log_snr, losses / -at.slope)
