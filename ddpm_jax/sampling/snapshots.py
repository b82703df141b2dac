"""Samples drawn during training: a few, in one file and one picture for a step."""

from typing import Any, NamedTuple

import jax
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files
from ddpm_jax.data.source import Images, Source
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.pictures import encoding
from ddpm_jax.pictures.samples import Drawing, Picture
from ddpm_jax.sampling import drawings, guides, sample_batches, shards

FOLDER = "samples"


class Snapshots(NamedTuple):
    """The parts of sampling during training.

    Attributes:
      batches: the compiled sampler.
      drawing: how samples are drawn in a picture.
      period: after how many samples the next of the same class follows.
    """

    batches: sample_batches.Batches
    drawing: Drawing
    period: int


def make(config: Config, mesh: Mesh, model: Denoiser, source: Source) -> Snapshots:
    """The sampling of config.sample, of a model of this data."""
    return Snapshots(
        sample_batches.Batches(config, mesh, model),
        drawings.of_source(source),
        guides.num_in_turn(config),
    )


def first(config: Config, batches: sample_batches.Batches, params: Any) -> Images:
    """Draws the samples of config.sample, as pixel values."""
    return sample_batches.drawn(config, batches, params)


def picture_path(path: epath.Path, step: int) -> epath.Path:
    return path / FOLDER / f"{step}.png"


def write(
    path: epath.Path, step: int, pixels: Images, drawing: Drawing, period: int = 1
) -> Picture:
    """Writes samples/<step>.npz and a picture as .png; returns the picture.

    Args:
      path: the workdir.
      step: of the weights.
      pixels: as pixel values, or points.
      drawing: how they are drawn.
      period: after how many samples the next of the same class follows.
    """
    picture = drawing.grid(pixels, period)
    if jax.process_index() == 0:
        png = picture_path(path, step)
        png.parent.mkdir(parents=True, exist_ok=True)
        arrays = shards.to_npz(pixels, drawing.num_values)
        files.replace_bytes(png.with_suffix(".npz"), arrays)
        files.replace_bytes(png, encoding.png(picture))
    return picture
