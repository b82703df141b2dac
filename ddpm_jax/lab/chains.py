"""Chains of steps on a grid, from the framework's own schedules."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.lab import operators
from ddpm_jax.lab.densities import Density, Points
from ddpm_jax.lab.operators import Kernel


def log_snrs(log_snr: LogSnr, num_steps: int) -> Points:
    """The log SNR of the latents z_0 .. z_{T-1} of a chain of T = num_steps, in float64."""
    with jax.enable_x64(True):
        return np.asarray(log_snr(jnp.linspace(0.0, 1.0, num_steps)), np.float64)


def step_alphas(log_snrs: Points) -> Points:
    """alpha of the steps x -> z_0 -> z_1 -> ...: the ratios of neighbouring alpha_bar."""
    # log alpha_bar = -softplus(-log SNR).
    log_alpha_bar = -np.logaddexp(0.0, -log_snrs)
    return np.exp(np.diff(log_alpha_bar, prepend=0.0))


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """A chain x -> z_0 -> ... -> z_{T-1} that begins with a density.

    Attributes:
      density: the density of x.
      alphas: alpha of each step, [T]; step k leads to z_k.
    """

    density: Density
    alphas: Points

    @classmethod
    def of(cls, density: Density, log_snr: LogSnr, num_steps: int) -> "Chain":
        """The chain of T = num_steps latents at the times k / (T-1) of a schedule."""
        return cls(density, step_alphas(log_snrs(log_snr, num_steps)))

    @functools.cached_property
    def marginals(self) -> tuple[Density, ...]:
        """The densities of x, z_0, ..., z_{T-1}."""
        densities = [self.density]
        for alpha in self.alphas:
            densities.append(
                operators.forward_kernel(densities[-1].grid, alpha).apply(densities[-1])
            )
        return tuple(densities)

    def reverse_kernel(self, step: int) -> Kernel:
        """The reverse of step k: q(x | z_0) for 0, q(z_{k-1} | z_k) for others."""
        return operators.reverse_kernel(self.marginals[step], self.alphas[step])

    def restored(
        self,
        start: Density,
        change: Callable[[Kernel], Kernel] = lambda kernel: kernel,
    ) -> Density:
        """The density of x that the chain's reverse kernels make of one of z_{T-1}.

        Args:
          start: the density of z_{T-1}.
          change: the kernel in the place of each reverse kernel; by default itself.
        """
        for step in reversed(range(len(self.alphas))):
            start = change(self.reverse_kernel(step)).apply(start)
        return start
