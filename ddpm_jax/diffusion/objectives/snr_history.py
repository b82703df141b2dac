"""Running moments of the loss by log SNR, and the density of times that they imply.

In continuous time the diffusion term is an integral over log SNR, of a loss per unit of log
SNR that does not depend on the schedule. `SnrHistory` keeps running moments of it in bins.
If the batch's times are stratified, the mean loss at a log SNR adds no variance, only its
spread does, and the density of least variance is proportional to the standard deviation of
the loss (Neyman's allocation).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# The factor by which the sums decay at each step.
DECAY = 0.99
# The number of losses from which a bin's moments are used.
LEAST_COUNT = 4.0
# The share of the density that stays uniform over log SNR, so that all are drawn sometimes.
EVEN_SHARE = 0.1


class SnrHistory(NamedTuple):
    """Decaying sums over the losses per unit of log SNR that fell into each bin.

    Attributes:
      edges: edges of the bins, increasing log SNRs, [num_bins + 1].
      num: number of losses.
      total: sum of the losses.
      total_square: sum of their squares.
    """

    edges: Float[Array, " num_edges"]
    num: Float[Array, " num_bins"]
    total: Float[Array, " num_bins"]
    total_square: Float[Array, " num_bins"]


def init(low: float, high: float, num_bins: int = 100) -> SnrHistory:
    """An empty history of float32 over [low, high]; the outer bins hold losses beyond."""
    return SnrHistory(
        jnp.linspace(low, high, num_bins + 1, dtype=jnp.float32),
        # One buffer each: a donated state may hold no array twice.
        *(jnp.zeros(num_bins, jnp.float32) for _ in range(3)),
    )


def record(
    history: SnrHistory,
    log_snr: Float[Array, " batch"],
    losses: Float[Array, " batch"],
) -> SnrHistory:
    """Adds the losses per unit of log SNR of one global batch, in batch order."""
    # Not a scatter, whose order of additions to one bin depends on the device.
    member = jax.nn.one_hot(_bin(history, log_snr), history.num.size)
    rows = jnp.stack([jnp.ones_like(losses), losses, jnp.square(losses)])
    # The variance is a difference of these: full precision on every device.
    sums = jnp.matmul(rows, member, precision=lax.Precision.HIGHEST)
    return SnrHistory(
        history.edges,
        DECAY * history.num + sums[0],
        DECAY * history.total + sums[1],
        DECAY * history.total_square + sums[2],
    )


def moments(
    history: SnrHistory,
) -> tuple[Float[Array, " num_bins"], Float[Array, " num_bins"]]:
    """Mean and standard deviation of the losses in each bin; 0 where there are none."""
    num = jnp.maximum(history.num, jnp.finfo(jnp.float32).tiny)
    mean = history.total / num
    variance = history.total_square / num - jnp.square(mean)
    return mean, jnp.sqrt(jnp.maximum(variance, 0.0))


def expected(
    history: SnrHistory, log_snr: Float[Array, " batch"]
) -> Float[Array, " batch"]:
    """The mean loss per unit of log SNR in the bin of each log SNR."""
    return moments(history)[0][_bin(history, log_snr)]


def draw(
    history: SnrHistory,
    u: Float[Array, " batch"],
    low: Float[Array, ""],
    high: Float[Array, ""],
) -> tuple[Float[Array, " batch"], Float[Array, " batch"]]:
    """Draws log SNRs by importance, through the inverse distribution function.

    Args:
      history: the losses recorded so far.
      u: uniform in [0, 1); stratified ones give stratified log SNRs.
      low: lowest log SNR of the schedule now.
      high: highest log SNR of the schedule now.

    Returns:
      Log SNRs between low and high, and their probability density. It is constant within each
      bin, and uniform until bins over most of the range have enough losses; a bin without
      has the largest density of those with.
    """
    below = jnp.clip(history.edges[:-1], low, high)
    width = jnp.clip(history.edges[1:], low, high) - below
    _, std = moments(history)
    exists = width > 0.0
    known = exists & (history.num >= LEAST_COUNT)
    largest = jnp.max(jnp.where(known, std, 0.0))
    is_ready = jnp.sum(jnp.where(known, width, 0.0)) > 0.5 * jnp.sum(width)
    shape = jnp.where(known, std, largest)
    shape = jnp.where(is_ready & (largest > 0.0), shape, 1.0)
    share = shape * width / jnp.sum(shape * width)
    share = (1.0 - EVEN_SHARE) * share + EVEN_SHARE * width / jnp.sum(width)

    after = jnp.cumsum(share)
    after = after / after[-1]
    place = jnp.searchsorted(after, u, side="right")
    # The last bin of positive width, where rounding has led past it.
    last = jnp.max(jnp.where(exists, jnp.arange(share.size), 0))
    place = jnp.clip(place, 0, last)
    inside = (u - (after - share)[place]) / share[place]
    log_snr = below[place] + jnp.clip(inside, 0.0, 1.0) * width[place]
    return log_snr, share[place] / width[place]


def _bin(history: SnrHistory, log_snr: Float[Array, " batch"]) -> Array:
    place = jnp.searchsorted(history.edges, log_snr, side="right") - 1
    return jnp.clip(place, 0, history.num.size - 1)
