"""Samples drawn during training: a few, in one file and one picture for a step."""

from typing import Any

import jax
import numpy as np
from etils import epath
from jaxtyping import UInt8
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files
from ddpm_jax.data.source import Images
from ddpm_jax.pictures import encoding, grids
from ddpm_jax.sampling import (
    sample_batches,
    shards,
)

FOLDER = "samples"


def first(config: Config, batches: sample_batches.Batches, params: Any) -> Images:
    """Draws the samples of config.sample, as pixel values."""
    return sample_batches.drawn(config, batches, params)


def picture_path(path: epath.Path, step: int) -> epath.Path:
    return path / FOLDER / f"{step}.png"


def write(
    path: epath.Path, step: int, pixels: Images, num_values: int, period: int = 1
) -> UInt8[np.ndarray, "grid_height grid_width channels"]:
    """Writes samples/<step>.npz and a grid as .png; returns the grid.

    Args:
      path: the workdir.
      step: of the weights.
      pixels: as pixel values.
      num_values: that a pixel has.
      period: as `grids.grid` takes it.
    """
    picture = grids.grid(encoding.to_uint8(pixels, num_values), period)
    if jax.process_index() == 0:
        png = picture_path(path, step)
        png.parent.mkdir(parents=True, exist_ok=True)
        arrays = shards.to_npz(pixels, num_values)
        files.replace_bytes(png.with_suffix(".npz"), arrays)
        files.replace_bytes(png, encoding.png(picture))
    return picture
