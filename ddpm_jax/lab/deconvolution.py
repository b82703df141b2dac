"""The forward step undone by a Fourier division, which any noise drowns.

The convolution with N(0, 1 - alpha) multiplies the transform by
G(w) = exp(-(1 - alpha) w^2 / 2); the division by it multiplies an error at the frequency w by
1 / G(w), without a bound in w.
"""

import numpy as np

from ddpm_jax.lab import operators
from ddpm_jax.lab.densities import Density, Grid, Points


def deconvolved(
    grid: Grid, masses: Points, alpha: float, highest: float = np.inf
) -> Points:
    """The masses of z_{t-1} from those of z_t; with an error in them, they may be below 0.

    Args:
      grid: the grid.
      masses: of z_t at the grid's points, with any error.
      alpha: of the step.
      highest: frequencies above are set to 0, in radians per unit of length of z_t: the
        usual remedy, which smooths what it saves.
    """
    operators.check_alpha(grid, alpha)
    frequencies = operators.padded_frequencies(grid)
    spectrum = operators.transform(grid, masses, 1.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        divided = spectrum / operators.noise_transform(frequencies, alpha)
    # Where the noise's transform is 0 in float64, nothing is left to be divided.
    kept = (np.abs(frequencies) <= highest) & np.isfinite(divided)
    # The scaled density's transform at w is the density's own at sqrt(alpha) w.
    return operators.inverse(grid, np.where(kept, divided, 0.0), np.sqrt(alpha))


def amplification(alpha: float, frequency: float) -> float:
    """The factor exp((1 - alpha) w^2 / 2) by which division multiplies an error at w."""
    return float(np.exp(0.5 * (1.0 - alpha) * frequency**2))


def distance(masses: Points, density: Density) -> float:
    """Half of the integral of |masses - density|: total variation, where they are one."""
    return 0.5 * float(np.abs(masses - density.masses).sum())
