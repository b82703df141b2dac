"""Densities on a grid of the plane, for trajectories beside their marginals.

The noise is round, so that a step is the line's forward kernel along each axis.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from ddpm_jax.diffusion.model import Diffusion, LogSnr
from ddpm_jax.lab import exact, operators
from ddpm_jax.lab.densities import Grid


@dataclasses.dataclass(frozen=True, eq=False)
class Plane:
    """A density on the square of a grid.

    Attributes:
      grid: the grid of either axis.
      masses: the probability of each point, [first axis, second axis], with sum 1.
    """

    grid: Grid
    masses: Float[np.ndarray, "points points"]

    @property
    def values(self) -> Float[np.ndarray, "points points"]:
        """The density, per unit of area."""
        return self.masses / self.grid.spacing**2

    def after(self, alpha: float) -> "Plane":
        """The density after a step q(z_t | z_{t-1}) that keeps alpha of the variance."""
        kernel = operators.forward_kernel(self.grid, alpha).matrix
        masses = kernel @ self.masses @ kernel.T
        return Plane(self.grid, masses / masses.sum())

    def diffusion(self, log_snr: LogSnr) -> Diffusion:
        """The exact model of pixels of two channels, each pixel a draw of the density."""
        held = self.masses > 0.0
        points = np.stack(np.meshgrid(*[self.grid.points] * 2, indexing="ij"), axis=-1)
        return exact.of_atoms(points[held], self.masses[held], log_snr)


def gaussian_mixture(
    grid: Grid,
    means: Float[np.ndarray, "peaks 2"],
    stds: Float[np.ndarray, " peaks"],
    weights: Float[np.ndarray, " peaks"],
) -> Plane:
    """A mixture of round Gaussians; masses below 1e-12 of the greatest are 0."""
    away = np.square(grid.points[:, None] - means.T[:, None])  # [axis, point, peak]
    first, second = np.exp(-0.5 * away / np.square(stds))
    masses = (first * (weights / np.square(stds))) @ second.T
    masses = np.where(masses > 1e-12 * masses.max(), masses, 0.0)
    return Plane(grid, masses / masses.sum())
