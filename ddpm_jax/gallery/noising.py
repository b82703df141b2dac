"""A density at any noise level of a schedule."""

import math

from ddpm_jax.lab import operators
from ddpm_jax.lab.densities import Density


def noised(density: Density, log_snr: float) -> Density:
    """q(z_t) at a log SNR; the density itself where the grid cannot tell the noise."""
    alpha = 1.0 / (1.0 + math.exp(-log_snr))
    if math.sqrt(1.0 - alpha) < density.grid.spacing:
        return density
    return operators.forward_by_fft(density, alpha)
