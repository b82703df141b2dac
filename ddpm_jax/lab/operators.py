"""The step of a chain and its reverse as Markov kernels on a grid.

    q(z_t | z_{t-1}) = N(sqrt(alpha) z_{t-1}, 1 - alpha)
    q(z_{t-1} | z_t) = q(z_t | z_{t-1}) q(z_{t-1}) / q(z_t)

The forward kernel is a scaling and then a convolution. The reverse one depends on the density
q(z_{t-1}) that the step began with, which it gives back: applied to q(z_t) it is q(z_{t-1})
exactly. A kernel is a matrix whose columns are densities, so a step is a product.
"""

import dataclasses
import functools

import numpy as np
import scipy.fft
import scipy.signal
from jaxtyping import Complex, Float
from scipy.special import logsumexp

from ddpm_jax.lab.densities import Density, Grid, Points

Matrix = Float[np.ndarray, "to from_"]
Spectrum = Complex[np.ndarray, " frequencies"]


@dataclasses.dataclass(frozen=True, eq=False)
class Kernel:
    """A Markov kernel p(to | from) between the points of a grid.

    Attributes:
      grid: the grid.
      matrix: probabilities of the points to go to, a column for each to come from; columns
        have sum 1.
    """

    grid: Grid
    matrix: Matrix

    def apply(self, density: Density) -> Density:
        """The density after the step, that of the point to which it goes."""
        masses = self.matrix @ density.masses
        return Density(self.grid, masses / masses.sum())

    def then(self, following: "Kernel") -> "Kernel":
        """The kernel of this step and a following one."""
        return Kernel(self.grid, following.matrix @ self.matrix)

    def conditional(self, origin: float) -> Density:
        """The density of the point to which it goes from the grid's point nearest to this."""
        column = self.matrix[:, np.argmin(np.abs(self.grid.points - origin))]
        return Density(self.grid, column / column.sum())

    @functools.cached_property
    def means(self) -> Points:
        """The mean of each column."""
        return self.grid.points @ self.matrix

    @functools.cached_property
    def variances(self) -> Points:
        """The variance of each column."""
        away = self.grid.points[:, None] - self.means
        return np.einsum("tf,tf->f", np.square(away), self.matrix)


def forward_kernel(grid: Grid, alpha: float) -> Kernel:
    """The kernel of q(z_t | z_{t-1}).

    Args:
      grid: the grid.
      alpha: in (0, 1): z_t keeps the share alpha of the variance of z_{t-1}.

    Raises:
      ValueError: alpha is not in (0, 1), or its noise is narrower than the grid's spacing.
    """
    return Kernel(grid, np.exp(log_forward(grid, alpha)))


def log_forward(grid: Grid, alpha: float) -> Matrix:
    """The logarithms of the forward kernel's matrix, finite everywhere."""
    check_alpha(grid, alpha)
    away = grid.points[:, None] - np.sqrt(alpha) * grid.points
    logs = -0.5 * np.square(away) / (1.0 - alpha)
    return logs - logsumexp(logs, axis=0)


def reverse_kernel(before: Density, alpha: float) -> Kernel:
    """The kernel of q(z_{t-1} | z_t), by Bayes.

    Args:
      before: the density of z_{t-1}.
      alpha: as in `forward_kernel`.
    """
    return Kernel(before.grid, np.exp(log_reverse(before, alpha)))


def log_reverse(before: Density, alpha: float) -> Matrix:
    """The logarithms of the reverse kernel's matrix, -inf where `before` has no mass."""
    joint = log_forward(before.grid, alpha).T + before.log_masses[:, None]
    return joint - logsumexp(joint, axis=0)


def forward_by_fft(density: Density, alpha: float) -> Density:
    """The density of z_t by Fourier transforms, as a scaling and then a convolution.

    The transform of the scaled density at the frequency w is the density's own at
    sqrt(alpha) w, to which a chirp z-transform leads without interpolation (Rabiner et al.
    1969); the convolution with N(0, 1 - alpha) multiplies it by exp(-(1 - alpha) w^2 / 2).
    """
    grid = density.grid
    check_alpha(grid, alpha)
    frequencies = padded_frequencies(grid)
    scaled = transform(grid, density.masses, np.sqrt(alpha))
    values = inverse(grid, scaled * noise_transform(frequencies, alpha), 1.0)
    # Rounding leaves values of 1e-17 to both sides of 0.
    masses = np.maximum(values, 0.0)
    return Density(grid, masses / masses.sum())


def padded_frequencies(grid: Grid) -> Points:
    """Frequencies for transforms of four grids' length, in rising order, radians per unit."""
    num = scipy.fft.next_fast_len(4 * grid.num)
    return 2.0 * np.pi * np.fft.fftshift(np.fft.fftfreq(num, grid.spacing))


def noise_transform(frequencies: Points, alpha: float) -> Points:
    """The Fourier transform of N(0, 1 - alpha)."""
    return np.exp(-0.5 * (1.0 - alpha) * np.square(frequencies))


def transform(grid: Grid, masses: Points, scale: float) -> Spectrum:
    """sum_i masses_i exp(-i scale w x_i) at the padded frequencies w."""
    w = scale * padded_frequencies(grid)
    turn = np.exp(-1j * (w[1] - w[0]) * grid.spacing)
    # Of a chirp z-transform's points a^-1 turn^k, the first is the lowest frequency's.
    start = np.exp(1j * w[0] * grid.spacing)
    spectrum = scipy.signal.czt(masses, w.size, turn, start)
    return np.asarray(np.exp(-1j * w * grid.low) * spectrum)


def inverse(grid: Grid, spectrum: Spectrum, scale: float) -> Points:
    """The masses at the grid's points of a spectrum at `scale` times the padded frequencies."""
    w = scale * padded_frequencies(grid)
    step = w[1] - w[0]
    turn = np.exp(1j * step * grid.spacing)
    phased = spectrum * np.exp(1j * w * grid.low)
    # From the lowest frequency on: the sum over frequencies is a chirp z-transform too.
    values = scipy.signal.czt(phased, grid.num, turn, 1.0)
    values = values * np.exp(1j * w[0] * grid.spacing * np.arange(grid.num))
    return np.asarray(values.real) * step * grid.spacing / (2.0 * np.pi)


def check_alpha(grid: Grid, alpha: float) -> None:
    """Raises ValueError unless alpha is in (0, 1) and the grid resolves its noise."""
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha = {alpha}: write a number between 0 and 1.")
    if np.sqrt(1.0 - alpha) < grid.spacing:
        raise ValueError(
            f"alpha = {alpha}: its noise of standard deviation {np.sqrt(1.0 - alpha):.3g}"
            f" is narrower than the grid's spacing {grid.spacing:g}; write a smaller alpha,"
            " or a finer grid."
        )
