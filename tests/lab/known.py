"""Densities of the tests: small grids, so that a kernel takes milliseconds."""

from ddpm_jax.lab import densities

GRID = densities.Grid(-6.0, 6.0, 401)
SMOOTH = densities.gaussian_mixture(GRID, [-0.9, 0.8], [0.4, 0.3], [0.6, 0.4])
# Peaks of a width that the grid holds.
ROUGH = densities.rough(GRID, 3, num_peaks=6, widths=(0.04, 0.12))


def gaussian(variance: float, mean: float = 0.0) -> densities.Density:
    return densities.gaussian_mixture(GRID, [mean], [variance**0.5])
