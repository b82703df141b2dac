"""Pictures of samples, whatever they are: images side by side, points in plots."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped, UInt8

from ddpm_jax.pictures import encoding, grids
from ddpm_jax.pictures.points import PointPlots, Truth

GAP = 8  # Screen pixels between latents and estimates.

Picture = UInt8[np.ndarray, "_ _ _"]
# Pixel values 0..V-1, or points of real numbers.
Samples = Shaped[np.ndarray, "samples height width channels"]
Frames = Shaped[np.ndarray, "frames samples height width channels"]
Cell = Shaped[np.ndarray, "_ _ _ _"] | None


@runtime_checkable
class Drawing(Protocol):
    """The drawing of samples of one kind.

    Attributes:
      num_values: number of pixel values; 0: the samples are points.
      most_alone: samples in a picture of one set.
      most_beside: samples of each set in a picture of several.
    """

    @property
    def num_values(self) -> int: ...

    @property
    def most_alone(self) -> int: ...

    @property
    def most_beside(self) -> int: ...

    def grid(self, samples: Samples, period: int = 1) -> Picture:
        """All samples; of classes in turn, those of one after `period`."""

    def strip(self, frames_of_x: Frames, frames_of_z: Frames) -> Picture:
        """The trajectory from noise to samples: estimates above latents."""

    def frames(self, frames_of_x: Frames, frames_of_z: Frames) -> Sequence[Picture]:
        """The pictures of an animation: latents on the left, estimates on the right."""

    def comparison(
        self, cells: Mapping[str, Sequence[Cell]], column_names: Sequence[str]
    ) -> Picture:
        """A table: for each row's name, the samples of every column; None: none to show."""


@dataclasses.dataclass(frozen=True)
class ImageGrids:
    """Pictures of images of pixel values.

    Attributes:
      num_values: number of pixel values.
      most_alone: images in a picture of one set.
      most_beside: images of each set in a picture of several.
    """

    num_values: int
    most_alone: int = dataclasses.field(default=64, init=False)
    most_beside: int = dataclasses.field(default=16, init=False)

    def grid(self, samples: Samples, period: int = 1) -> Picture:
        """Images in about a square; see `grids.grid`."""
        return grids.grid(self._shown(samples), period)

    def strip(self, frames_of_x: Frames, frames_of_z: Frames) -> Picture:
        """Two rows for an image, a column for a frame; see `grids.strip`."""
        return grids.strip(self._shown(frames_of_x), self._shown(frames_of_z))

    def frames(self, frames_of_x: Frames, frames_of_z: Frames) -> Sequence[Picture]:
        """Frames with z_t on the left and x_hat on the right."""
        pairs = zip(frames_of_x, frames_of_z, strict=True)
        return [_side_by_side(self.grid(z), self.grid(x_hat)) for x_hat, z in pairs]

    def comparison(
        self, cells: Mapping[str, Sequence[Cell]], column_names: Sequence[str]
    ) -> Picture:
        """A table of images; see `grids.comparison`."""
        shown = {
            name: [None if cell is None else self._shown(cell) for cell in row]
            for name, row in cells.items()
        }
        return grids.comparison(shown, column_names)

    def _shown(self, pixels: np.ndarray) -> UInt8[np.ndarray, "*shape"]:
        return encoding.to_uint8(np.asarray(pixels), self.num_values)


def drawing(num_values: int, truth: Truth | None = None) -> Drawing:
    """The drawing of samples of so many pixel values, or of points where that is 0.

    Args:
      num_values: number of pixel values; 0: the samples are points.
      truth: the density of points, where it is known.
    """
    return ImageGrids(num_values) if num_values else PointPlots(truth)


def _side_by_side(left: Picture, right: Picture) -> Picture:
    between = np.full((left.shape[0], GAP, left.shape[2]), 255, np.uint8)
    return np.concatenate([left, between, right], axis=1)
