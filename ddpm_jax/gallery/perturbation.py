"""Random perturbations of a density: factors exp(s g) with a smooth random function g."""

import numpy as np
import scipy.ndimage

from ddpm_jax.lab import densities, divergences
from ddpm_jax.lab.densities import Density, Grid, Points

# Fields are drawn on points of their own, so that the grid does not change them.
_POINTS = np.arange(-20.0, 20.0, 0.01)


def field(grid: Grid, width: float, seed: int) -> Points:
    """A Gaussian random function of variance 1 that changes over a length."""
    noise = np.random.Generator(np.random.Philox(seed)).normal(size=_POINTS.size)
    smooth = scipy.ndimage.gaussian_filter1d(noise, width / 0.01, mode="wrap")
    return np.interp(grid.points, _POINTS, smooth / smooth.std())


def perturbed(density: Density, error: float, width: float, seed: int) -> Density:
    """A density with a random error of a given size, by bisection.

    Args:
      density: without the error.
      error: JS of the two, bits.
      width: the length over which the error changes.
      seed: of the error.

    Raises:
      ValueError: no multiple of the field is an error of that size.
    """
    change = field(density.grid, width, seed)

    def at(scale: float) -> Density:
        return densities.of_logs(density.grid, density.log_masses + scale * change)

    low, high = 0.0, 1.0
    while divergences.js(at(high), density) < error:
        low, high = high, 2.0 * high
        if high > 1e3:
            raise ValueError(f"error = {error}: no error is that large; write less.")
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = divergences.js(at(middle), density) < error
        low, high = (middle, high) if below else (low, middle)
    return at(high)
