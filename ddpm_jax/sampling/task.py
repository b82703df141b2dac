"""A task: the images and constraints of samples, and the base of its options."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Options
from ddpm_jax.diffusion.conditioning.linear_constraints import BlockMeans
from ddpm_jax.pictures import encoding, image_files

Image = UInt8[np.ndarray, "height width channels"]


class Task(NamedTuple):
    """The inputs of samples beside noise, as pixel values.

    Attributes:
      known: the constraint of samples, for one example; None: no constraint.
      first: the image to start from; None: noise alone.
      last: the other image of an interpolation, which ends there.
      shown: images by name that a picture shows before the samples, 0..255.
    """

    known: BlockMeans | None = None
    first: Image | None = None
    last: Image | None = None
    shown: Mapping[str, Image] = {}

    @property
    def identity(self) -> dict[str, str]:
        """A hash of each file's content, for a record."""
        return {
            f"given {name}": hashlib.sha256(image.tobytes()).hexdigest()[:16]
            for name, image in self.shown.items()
        }


FROM_NOISE = Task()


class Resampling(NamedTuple):
    """The resampling of RePaint (`samplers.repaint`).

    Attributes:
      num_resamples: passes of each segment of the times.
      jump_length: steps of a segment.
    """

    num_resamples: int
    jump_length: int


class TaskOptions(Options):
    """Options of a task, and the properties that sampling asks of them."""

    @property
    def files(self) -> dict[str, str]:
        """The paths of the image files that the task reads, by option."""
        names = ("image", "mask", "first", "last")
        return {name: value for name, value in self.values().items() if name in names}

    @property
    def share_of_times(self) -> float:
        """The share of the times that sampling visits, the last ones, in (0, 1]."""
        return 1.0

    @property
    def resampling(self) -> Resampling | None:
        """The resampling of segments of the times; None: there is none."""
        return None

    def wrong(self, config: Config) -> Iterator[str]:
        """Yields a sentence for everything in config.sample that does not fit the task."""
        yield from ()


class Images(NamedTuple):
    """A reader of image files as the model's images.

    Attributes:
      config: the run's config.
      shape: shape of the model's images, (height, width, channels).
      num_values: number of pixel values.
    """

    config: Config
    shape: tuple[int, int, int]
    num_values: int

    def read(self, name: str, path: str, shape: tuple[int, int, int]) -> Image:
        """Reads the image file of an option, which must have this shape."""
        return image_files.read(path, shape, self.num_values, self.field(name, path))

    def field(self, name: str, path: str) -> str:
        """The option's full name and value, for messages."""
        return f"config.sample.{self.config.sample.task}.{name} = {path!r}"

    def shown(self, image: Image) -> Image:
        """The image with pixel values 0..255, to be shown."""
        return encoding.to_uint8(image, self.num_values)


def as_example(image: Image) -> Float[Any, "1 height width channels"]:
    """An image as a batch of one, with pixel values as real numbers."""
    return jnp.asarray(image, jnp.float32)[None]
