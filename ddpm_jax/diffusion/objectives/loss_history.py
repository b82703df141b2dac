"""Importance sampling of a chain's times, by the recent losses at each."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# The share of draws that stays uniform, so that every time is drawn sometimes (Nichol &
# Dhariwal's implementation; the paper leaves it open).
UNIFORM_SHARE = 0.001


class LossHistory(NamedTuple):
    """The last losses of each grid time, for importance sampling of times.

    Attributes:
      losses: a ring buffer for each time, [num_steps, length].
      num_recorded: number of losses recorded at each time, modulo the length once the
        buffer is full, so that it never overflows, [num_steps].
    """

    losses: Float[Array, "num_steps length"]
    num_recorded: Int[Array, " num_steps"]


def init_history(num_steps: int, length: int = 10) -> LossHistory:
    """An empty history, of float32: it lives in the train state.

    Raises:
      ValueError: num_steps or length is below 1.
    """
    if num_steps < 1 or length < 1:
        raise ValueError(
            f"loss history of num_steps = {num_steps}, length = {length}: write at "
            f"least 1 and 1."
        )
    return LossHistory(
        losses=jnp.zeros((num_steps, length), jnp.float32),
        num_recorded=jnp.zeros((num_steps,), jnp.int32),
    )


def probabilities(history: LossHistory) -> Float[Array, " num_steps"]:
    """The probabilities of the grid times, proportional to the root mean square of losses.

    They minimise the variance of loss / probability (Nichol & Dhariwal 2021,
    arXiv:2102.09672, section 3.3), and are uniform until every time's buffer is full.
    """
    num_steps, length = history.losses.shape
    rms = jnp.sqrt(jnp.mean(jnp.square(history.losses), axis=1))
    full = jnp.all(history.num_recorded >= length) & jnp.any(rms > 0)
    importance = jnp.where(full, rms, 1.0)
    return (1.0 - UNIFORM_SHARE) * importance / jnp.sum(importance) + (
        UNIFORM_SHARE / num_steps
    )


def draw(
    history: LossHistory, u: Float[Array, " batch"]
) -> tuple[Int[Array, " batch"], Float[Array, " batch"]]:
    """Draws indices of times by importance, through the inverse distribution function.

    Args:
      history: the losses recorded so far.
      u: uniform in [0, 1); stratified ones give stratified times.

    Returns:
      Indices of times, 0..num_steps-1, and the weights 1/(num_steps p) with which the mean
      loss is unbiased for uniform times.
    """
    num_steps = history.num_recorded.shape[0]
    p = probabilities(history)
    cumulative = jnp.cumsum(p)
    index = jnp.searchsorted(cumulative / cumulative[-1], u, side="right")
    index = jnp.clip(index, 0, num_steps - 1).astype(jnp.int32)
    return index, 1.0 / (num_steps * p[index])


def record(
    history: LossHistory, index: Int[Array, " batch"], losses: Float[Array, " batch"]
) -> LossHistory:
    """Adds the losses of one global batch, in batch order.

    An index may occur any number of times: the result is that of adding losses one by one.
    """
    num_steps, length = history.losses.shape
    order = jnp.argsort(index, stable=True)
    ordered = index[order]
    first = jnp.searchsorted(ordered, ordered, side="left")
    after = jnp.searchsorted(ordered, ordered, side="right")
    place = jnp.arange(index.size)
    slot = (history.num_recorded[ordered] + place - first) % length
    # Losses that later ones of this batch overwrite go to a row that does not exist: a
    # scatter to one place twice has no defined order.
    row = jnp.where(after - place > length, num_steps, ordered)
    count = history.num_recorded.at[index].add(1)
    return LossHistory(
        losses=history.losses.at[row, slot].set(
            losses[order].astype(history.losses.dtype), mode="drop"
        ),
        num_recorded=jnp.where(count < length, count, length + count % length),
    )
