"""Time: numbers u in [0, 1) from which times are drawn, and the grid of a discrete chain.

A chain of T latents has its times at t_k = k/(T - 1), k = 0..T-1. In continuous time, T =
infinity, any t in [0, 1] is one.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

# The value of num_steps that stands for T = infinity.
CONTINUOUS = 0


def uniform(keys: Key[Array, " batch"]) -> Float[Array, " batch"]:
    """Independent uniform u in [0, 1), one from each example's key."""
    return jax.vmap(jax.random.uniform)(keys)


def stratified(
    key: Key[Array, ""], positions: Int[Array, " batch"], batch_size: int
) -> Float[Array, " batch"]:
    """Stratified numbers (u + i) / batch_size in [0, 1), with one random u for all i.

    Each is uniform in [0, 1); together they cover it evenly, which lowers the variance
    of the batch's mean loss (Kingma et al. 2021, arXiv:2107.00630, appendix I.1).

    Args:
      key: the same on every device and host: it depends on the step alone.
      positions: position of each example in the global batch, 0..batch_size-1.
      batch_size: examples in the global batch.
    """
    u = (positions + jax.random.uniform(key)) / batch_size
    # In float32, (1023 + 0.99999) / 1024 rounds to 1.
    return jnp.minimum(u, jnp.nextafter(jnp.ones_like(u), jnp.zeros_like(u)))


def low_discrepancy(number: Int[Array, " batch"]) -> Float[Array, "2 batch"]:
    """A low-discrepancy sequence in the unit square: point number n for each example.

    It is (n / p, n / p^2) modulo 1, with p = 1.3247 the root of p^3 = p + 1: of all sequences
    of this form the one whose worst gaps are smallest (Roberts 2018). Any run of consecutive
    points covers either axis evenly too.
    """
    ratio = 1.3247179572447460
    # Whole numbers modulo 2^32 keep the digits that floats of large numbers lose.
    steps = np.array([2**32 / ratio, 2**32 / ratio**2]).astype(np.uint32)
    points = number.astype(jnp.uint32)[None] * jnp.asarray(steps)[:, None]
    return (points >> 8).astype(jnp.float32) / 2**24


def grid_time(index: Int[Array, "*shape"], num_steps: int) -> Float[Array, "*shape"]:
    """The times t_k = k / (T - 1) of a chain, rounded once.

    They are looked up: compiled, the division might become a product, which rounds twice.

    Raises:
      ValueError: num_steps is below 2.
    """
    if num_steps < 2:
        raise ValueError(
            f"num_steps = {num_steps}: a chain needs 2 latents or more, so that it has "
            f"a transition."
        )
    return jnp.asarray(np.arange(num_steps) / (num_steps - 1))[index]
