"""Conditional Gaussians in the place of exact reverse steps: what a chain of them restores.

Of all Gaussians the one with a column's mean and variance has the least KL(column || Gaussian);
it is what a denoiser with a learned variance tends to. With one variance for all columns the
means stay, and the best variance is the columns' mean (Bao et al. 2022, arXiv:2201.06503).
"""

import numpy as np
from scipy.special import logsumexp

from ddpm_jax.lab.chains import Chain
from ddpm_jax.lab.densities import Density, Points, standard_normal
from ddpm_jax.lab.operators import Kernel


def fitted(kernel: Kernel, variances: Points | float | None = None) -> Kernel:
    """The kernel whose columns are Gaussians with the means of another's.

    Args:
      kernel: the exact one.
      variances: of each column, or of all; None: the exact columns'. Below a quarter of the
        grid's spacing squared they are taken as that, which the grid can still hold.
    """
    least = 0.25 * kernel.grid.spacing**2
    held = np.maximum(kernel.variances if variances is None else variances, least)
    away = kernel.grid.points[:, None] - kernel.means
    logs = -0.5 * np.square(away) / held
    return Kernel(kernel.grid, np.exp(logs - logsumexp(logs, axis=0)))


def restored(chain: Chain, start: Density | None = None) -> Density:
    """The density of x of a chain of conditional Gaussians: log p(x) exactly, by its values.

    Args:
      chain: the exact chain, each of whose reverse kernels is fitted.
      start: the density of z_{T-1}; None: N(0, 1), as a model has it.
    """
    noise = standard_normal(chain.density.grid) if start is None else start
    return chain.restored(noise, fitted)
