"""Steps of figures: the alphas that options hold, and those of a curve over alpha."""

import dataclasses
import math
from typing import ClassVar

import numpy as np

from ddpm_jax.core.choice import Options
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.lab.densities import Grid, Points

# The noise of a step, in spacings, that a grid holds for certain.
HELD = 1.0 + 1e-6


@dataclasses.dataclass(frozen=True)
class OfSteps(Options):
    """Options of a figure some of which are alphas of steps.

    Class attributes:
      ALPHAS: their names; each is an alpha or a tuple of some.
      EVERY: the figure takes each point of the grid (1), or every second one (2).
    """

    ALPHAS: ClassVar[tuple[str, ...]] = ("alphas",)
    EVERY: ClassVar[int] = 1

    def check(self, grid: Grid, where: str) -> None:
        """Checks that a grid resolves the noise of each step.

        Args:
          grid: the gallery's.
          where: the group's name, such as "config.melting".

        Raises:
          ConfigError: it does not, or there is no alpha.
        """
        spacing = self.EVERY * grid.spacing
        for name in self.ALPHAS:
            value = getattr(self, name)
            alphas = value if isinstance(value, tuple) else (value,)
            if not alphas:
                raise ConfigError(f"{where}.{name} = (): write one alpha or more.")
            noise = math.sqrt(1.0 - max(alphas))
            if noise < spacing:
                taken = ", of which the figure takes every second one"
                raise ConfigError(
                    f"{where}.{name} = {value}: the noise of alpha = {max(alphas):g} has"
                    f" the standard deviation {noise:.3g}, narrower than the distance"
                    f" {spacing:.3g} of points of config.grid"
                    f"{taken if self.EVERY > 1 else ''}; write a smaller alpha, or a"
                    " larger config.grid.num."
                )


def alphas_between(grid: Grid, most: float, least: float, num: int) -> Points:
    """Alphas for a curve, rising; of steps with noise that the grid resolves.

    Args:
      grid: the grid.
      most: 1 - alpha of the first.
      least: 1 - alpha of the last, unless the grid's spacing asks for more.
      num: how many.
    """
    held = (HELD * grid.spacing) ** 2
    return 1.0 - np.geomspace(most, max(least, held), num)
