"""Which S of a chain's T latents a shorter sampler visits, both ends included."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Grid = Int[np.ndarray, " num_visited"]


def uniform(num_steps: int, num_visited: int) -> Grid:
    """Evenly spaced indices ("linear" in Song et al. 2021, arXiv:2010.02502, app. D.2).

    Args:
      num_steps: T, latents of the model.
      num_visited: S, latents that the sampler evaluates.

    Returns:
      Indices from 0 to T-1, strictly increasing; all of them when S = T.

    Raises:
      ValueError: S is not in 2..T.
    """
    return _grid(num_steps, num_visited, power=1)


def quadratic(num_steps: int, num_visited: int) -> Grid:
    """Indices that grow as squares, dense where noise is low ("quadratic", ibid.).

    Where squares are less than one apart, each takes the next index that is free. Same
    arguments and errors as `uniform`.
    """
    return _grid(num_steps, num_visited, power=2)


def _grid(num_steps: int, num_visited: int, power: int) -> Grid:
    if not 2 <= num_visited <= num_steps:
        raise ValueError(
            f"sample.num_steps = {num_visited}: a model of {num_steps} latents allows "
            f"2 to {num_steps}."
        )
    ideal = (num_steps - 1) * np.linspace(0.0, 1.0, num_visited) ** power
    order = np.arange(num_visited)
    # A sequence increases strictly when, less its order, it does not decrease.
    return np.maximum.accumulate(np.rint(ideal).astype(int) - order) + order


def times(grid: Grid, num_steps: int) -> Float[Array, " num_visited"]:
    """The indices as times k/(T-1), from 1 down to 0: what `chain.sample` takes."""
    return jnp.asarray(grid[::-1] / (num_steps - 1))


GRIDS: dict[str, Callable[[int, int], Grid]] = {
    "uniform": uniform,
    "quadratic": quadratic,
}
