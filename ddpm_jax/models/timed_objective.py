"""The training objective of a loss of noisy images, each at a random time."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxtyping import Array, Int, Key

from ddpm_jax.core.randomness import Stream, example_keys
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.objectives.time_sampling import Times, TimeSampler
from ddpm_jax.diffusion.process import times
from ddpm_jax.training.objective import Batch, Keys, Losses
from ddpm_jax.training.state import Params


class Draws(NamedTuple):
    """The random draws of a step, one row for each example."""

    times: Times
    noise_keys: Key[Array, " batch"]
    dropout_keys: Key[Array, " batch"]


# (params, batch, draws) -> loss of each example, before the weight of its time.
LossFn = Callable[[Params, Batch, Draws], LossTerms]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimedObjective:
    """The objective of a loss at one time for each example; its memory is a history of losses.

    Attributes:
      loss: loss of each example.
      log_snr: parameters -> the schedule.
      time_sampler: sampler of times from uniform numbers.
      is_stratified: whether these numbers cover [0, 1) evenly in each global batch.
      batch_size: examples in the global batch.
    """

    loss: LossFn
    log_snr: Callable[[Params], LogSnr]
    time_sampler: TimeSampler
    is_stratified: bool
    batch_size: int

    def init(self, params: Params) -> Any:
        """The time sampler's empty history."""
        return self.time_sampler.init()

    def draw(
        self, memory: Any, params: Params, keys: Keys, position: Int[Array, " batch"]
    ) -> Draws:
        """Draws times, and the keys of noise and dropout."""
        if self.is_stratified:
            u = times.stratified(keys(Stream.TIME), position, self.batch_size)
        else:
            u = times.uniform(example_keys(keys(Stream.TIME), position))
        return Draws(
            times=self.time_sampler.draw(memory, self.log_snr(params), u),
            noise_keys=example_keys(keys(Stream.NOISE), position),
            dropout_keys=example_keys(keys(Stream.DROPOUT), position),
        )

    def losses(self, memory: Any, params: Params, batch: Batch, draws: Draws) -> Losses:
        """The losses with the weights of their times, and their part for the history."""
        terms = self.loss(params, batch, draws)
        return Losses(
            weighted=draws.times.weight * terms.timed + terms.rest,
            unweighted=terms.total,
            coordinate=draws.times.t,
            remembered=terms.timed,
        )

    def update(self, memory: Any, params: Params, draws: Draws, losses: Losses) -> Any:
        """The history with this batch's times and their unweighted losses."""
        return self.time_sampler.record(
            memory, self.log_snr(params), draws.times, losses.remembered
        )
