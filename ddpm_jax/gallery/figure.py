"""A figure of the gallery: numbers, and what is said and drawn of them.

What is said and drawn is a function of the numbers alone, as they stand in the figure's JSON
file: whoever has that file can draw the figure again.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from matplotlib.figure import Figure as Drawing

from ddpm_jax.lab import densities
from ddpm_jax.lab.densities import Density, Grid

# Numbers, texts, lists of them, and further groups, by their names; arrays while they are
# computed, lists when they are read.
Numbers = Mapping[str, Any]
# The trait of the choice of a figure that starts from the density of the config.
FROM_DENSITY = frozenset({"starts from config.density"})
# Drawings reach at least from minus to plus this, where N(0, 1) is to be seen.
REACH = 3.6


@dataclasses.dataclass(frozen=True)
class Setting:
    """The inputs that all figures share.

    Attributes:
      grid: points of the line on which densities are given.
      density: the density that figures start from, unless they need another.
      seed: of all that is random.
      folder: where a figure keeps what takes long to make.
      name: the density's, as config.density has it.
    """

    grid: Grid
    density: Density
    seed: int
    folder: epath.Path
    name: str = "given"

    @property
    def coarse_grid(self) -> Grid:
        """Every second point of the grid, which is enough for long chains."""
        num = (self.grid.num + 1) // 2
        high = self.grid.low + 2.0 * self.grid.spacing * (num - 1)
        return Grid(self.grid.low, high, num)

    def coarse(self) -> Density:
        """The density on the coarse grid."""
        return densities.of_values(self.coarse_grid, self.density.values[::2])

    def shown(
        self, spacing: float = 0.025, density: Density | None = None
    ) -> np.ndarray:
        """The indices of grid points for a drawing: where there is something to be seen.

        Args:
          spacing: distance of two of them, as near as the grid allows.
          density: what is drawn; None: the setting's.
        """
        values = (density or self.density).values
        seen = (np.abs(self.grid.points) <= REACH) | (values > 1e-3 * values.max())
        first, last = np.flatnonzero(seen)[[0, -1]]
        return np.arange(first, last + 1, max(1, round(spacing / self.grid.spacing)))


class Caption(NamedTuple):
    """The words of a figure. In a text, z_t and z_{t-1} are z with an index.

    Attributes:
      sentence: one or two sentences on what one sees.
      alt: description of the picture for those who cannot see it.
      table: the key numbers, each a label and a text.
    """

    sentence: str
    alt: str
    table: Sequence[tuple[str, str]]


class Figure(NamedTuple):
    """A figure.

    Attributes:
      title: a few words.
      theorem: the theorem or formula behind it, with its source.
      compute: the numbers.
      tell: the words, of the numbers.
      draw: the drawing, of the numbers.
    """

    title: str
    theorem: str
    compute: Callable[[Setting], Numbers]
    tell: Callable[[Numbers], Caption]
    draw: Callable[[Numbers], Drawing]
