"""Times to train at: uniform, stratified over the global batch, or where the loss is.

The first two give u in [0, 1), a continuous time as it stands. A chain of T latents has
its times on the grid t_k = k/(T - 1), k = 0..T-1; `on_grid` takes u there.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

# The share of draws that stays uniform, so that no time is ever given up (Nichol &
# Dhariwal's implementation; the paper leaves it open).
UNIFORM_SHARE = 0.001


def uniform(keys: Key[Array, " batch"]) -> Float[Array, " batch"]:
    """Independent u in [0, 1), one from each example's key."""
    return jax.vmap(jax.random.uniform)(keys)


def stratified(
    key: Key[Array, ""], positions: Int[Array, " batch"], batch_size: int
) -> Float[Array, " batch"]:
    """One u in each of batch_size equal strata: (u + i) / batch_size, one u for all i.

    Each is uniform in [0, 1); together they cover it evenly, which lowers the variance
    of the batch's mean loss (Kingma et al. 2021, arXiv:2107.00630, appendix I.1).

    Args:
      key: the same on every device and host: it depends on the step alone.
      positions: place of each example in the global batch, 0..batch_size-1.
      batch_size: of the global batch.
    """
    u = (positions + jax.random.uniform(key)) / batch_size
    # In float32, (1023 + 0.99999) / 1024 rounds to 1.
    return jnp.minimum(u, jnp.nextafter(jnp.ones_like(u), jnp.zeros_like(u)))


def grid_time(index: Int[Array, "*shape"], num_steps: int) -> Float[Array, "*shape"]:
    """t_k = k / (T - 1), rounded once: compiled, a division may become a product.

    Raises:
      ValueError: num_steps is below 2.
    """
    if num_steps < 2:
        raise ValueError(
            f"num_steps = {num_steps}: a chain needs 2 latents or more, so that it has "
            f"a transition."
        )
    return jnp.asarray(np.arange(num_steps) / (num_steps - 1))[index]


def on_grid(
    u: Float[Array, " batch"], num_steps: int
) -> tuple[Int[Array, " batch"], Float[Array, " batch"]]:
    """Index and time on the grid; every index has probability 1/T when u is uniform."""
    index = jnp.floor(u * num_steps).astype(jnp.int32)
    index = jnp.clip(index, 0, num_steps - 1)
    return index, grid_time(index, num_steps)


class LossHistory(NamedTuple):
    """The last losses of each grid time, for importance sampling of times.

    Attributes:
      losses: a ring a time, [num_steps, length].
      num_recorded: losses of each time so far, less whole turns of its ring after the
        first, so that it never overflows, [num_steps].
    """

    losses: Float[Array, "num_steps length"]
    num_recorded: Int[Array, " num_steps"]


def init_history(num_steps: int, length: int = 10) -> LossHistory:
    """An empty history, of float32: it lives in the train state.

    Raises:
      ValueError: num_steps is below 2 or length below 1.
    """
    if num_steps < 2 or length < 1:
        raise ValueError(
            f"loss history of num_steps = {num_steps}, length = {length}: write at "
            f"least 2 and 1."
        )
    return LossHistory(
        losses=jnp.zeros((num_steps, length), jnp.float32),
        num_recorded=jnp.zeros((num_steps,), jnp.int32),
    )


def probabilities(history: LossHistory) -> Float[Array, " num_steps"]:
    """Of drawing each grid time, proportional to the root mean square of its losses.

    That choice makes the variance of loss / probability least (Nichol & Dhariwal 2021,
    arXiv:2102.09672, section 3.3). Uniform until every time has its ring full.
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
) -> tuple[Int[Array, " batch"], Float[Array, " batch"], Float[Array, " batch"]]:
    """Grid times by importance, through the inverse of their distribution function.

    Args:
      history: what has been recorded so far.
      u: uniform in [0, 1); stratified ones give stratified times.

    Returns:
      Index, time, and the weight 1/(T p) under which the mean loss is unbiased for that
      of uniform times.
    """
    num_steps = history.num_recorded.shape[0]
    p = probabilities(history)
    cumulative = jnp.cumsum(p)
    index = jnp.searchsorted(cumulative / cumulative[-1], u, side="right")
    index = jnp.clip(index, 0, num_steps - 1).astype(jnp.int32)
    return index, grid_time(index, num_steps), 1.0 / (num_steps * p[index])


def record(
    history: LossHistory, index: Int[Array, " batch"], losses: Float[Array, " batch"]
) -> LossHistory:
    """Adds the losses of one global batch, in batch order.

    An index may occur any number of times: the result is that of adding one by one.
    """
    num_steps, length = history.losses.shape
    order = jnp.argsort(index, stable=True)
    ordered = index[order]
    first = jnp.searchsorted(ordered, ordered, side="left")
    after = jnp.searchsorted(ordered, ordered, side="right")
    place = jnp.arange(index.size)
    slot = (history.num_recorded[ordered] + place - first) % length
    # Those that later ones of this batch overwrite go to a row that does not exist: a
    # scatter to one place twice has no order.
    row = jnp.where(after - place > length, num_steps, ordered)
    count = history.num_recorded.at[index].add(1)
    return LossHistory(
        losses=history.losses.at[row, slot].set(
            losses[order].astype(history.losses.dtype), mode="drop"
        ),
        num_recorded=jnp.where(count < length, count, length + count % length),
    )
