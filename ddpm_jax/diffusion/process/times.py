"""Time: random numbers u in [0, 1) to take times from, and the grid of a chain.

A chain of T latents has its times at t_k = k/(T - 1), k = 0..T-1. In continuous time, T =
infinity, any t in [0, 1] is one.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

# What num_steps says for T = infinity.
CONTINUOUS = 0


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


def covering(number: Int[Array, " batch"]) -> Float[Array, "2 batch"]:
    """Places in the unit square, one an example, that together cover it evenly.

    (n / p, n / p^2) modulo 1, with p = 1.3247 the root of p^3 = p + 1: of all sequences of the
    kind the one whose worst gaps are smallest (Roberts 2018). Any stretch of it covers either
    side evenly too.
    """
    ratio = 1.3247179572447460
    # Whole numbers modulo 2^32 keep the digits that floats of large numbers lose.
    steps = np.array([2**32 / ratio, 2**32 / ratio**2]).astype(np.uint32)
    places = number.astype(jnp.uint32)[None] * jnp.asarray(steps)[:, None]
    return (places >> 8).astype(jnp.float32) / 2**24


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
