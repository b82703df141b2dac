"""Samplers of the times that a step trains at, from uniform numbers.

Each sampler is for a chain of T latents or for continuous time, and either takes the uniform
numbers u as they are or depends on a history of losses, which is part of the train state.
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
    """The times of a batch, one for each example.

    Attributes:
      latent: index of the latent, 0..T-1; 0 in continuous time.
      t: time in [0, 1].
      weight: weight with which the mean loss is unbiased for uniform times.
      expected: mean loss there according to the history; 0 where it is not known.
    """

    latent: Int[Array, " batch"]
    t: Float[Array, " batch"]
    weight: Float[Array, " batch"]
    expected: Float[Array, " batch"]


@runtime_checkable
class TimeSampler(Protocol):
    """A sampler of times. `log_snr` is the schedule with its present parameters."""

    def init(self) -> Any:
        """The history before the first step."""

    def draw(self, history: Any, log_snr: LogSnr, u: Float[Array, " batch"]) -> Times:
        """Draws times from uniform numbers; stratified times if u is stratified."""

    def record(
        self,
        history: Any,
        log_snr: LogSnr,
        times: Times,
        losses: Float[Array, " batch"],
    ) -> Any:
        """The history with the unweighted losses of a global batch added."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grid:
    """Uniform sampling of the latents of a chain.

    Attributes:
      num_steps: number T of latents.
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
    """Importance sampling of the latents of a chain, by the root mean square of last losses.

    Attributes:
      num_steps: number T of latents.
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
    """Sampling of continuous time: t = u, or by the spread of the loss at each log SNR.

    Attributes:
      low, high: lowest and highest log SNR that the schedule can take.
      by_loss: whether times depend on the history, rather than t = u.
      is_stratified: whether u is stratified; then `Times.expected` is each time's mean
        loss, which adds no variance to the batch's mean. Otherwise it is 0.
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
            drawn, density = snr_history.draw(history, 1.0 - u, low, high)
            t = lax.stop_gradient(monotone_curve.inverse_of_decreasing(log_snr)(drawn))
            weight = 1.0 / (-coordinates(log_snr, t).slope * density)
        at = coordinates(log_snr, t)
        expected = jnp.zeros_like(t)
        if self.is_stratified:
            expected = -at.slope * snr_history.expected(history, at.log_snr)
        times = Times(jnp.zeros_like(u, jnp.int32), t, weight, expected)
        return Times(*map(lax.stop_gradient, times))

    def record(
        self, history: Any, log_snr: LogSnr, times: Times, losses: Array
    ) -> snr_history.SnrHistory:
        at = coordinates(log_snr, times.t)
        return snr_history.record(history, at.log_snr, losses / -at.slope)
