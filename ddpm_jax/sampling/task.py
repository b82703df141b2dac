"""What a task gives to samples beside noise, and what its options say of it."""

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
    """What is given, as pixel values.

    Attributes:
      known: what samples are to agree with, of one example; None: with nothing.
      first: the image to begin from; None: noise alone.
      last: the image to end at, where samples lie between two.
      shown: by name, what a picture shows before the samples, 0..255.
    """

    known: BlockMeans | None = None
    first: Image | None = None
    last: Image | None = None
    shown: Mapping[str, Image] = {}

    @property
    def identity(self) -> dict[str, str]:
        """What tells the files' content from others', for a record."""
        return {
            f"given {name}": hashlib.sha256(image.tobytes()).hexdigest()[:16]
            for name, image in self.shown.items()
        }


NOTHING = Task()


class Resampling(NamedTuple):
    """How stretches of the times are gone through again (`samplers.repaint`).

    Attributes:
      num_resamples: passes of each stretch.
      jump_length: its steps.
    """

    num_resamples: int
    jump_length: int


class TaskOptions(Options):
    """Options of a task, and what others ask of them."""

    @property
    def files(self) -> dict[str, str]:
        """The image files that it reads, by option."""
        names = ("image", "mask", "first", "last")
        return {name: value for name, value in self.values().items() if name in names}

    @property
    def share_of_times(self) -> float:
        """What is gone of the times from noise to an image, in (0, 1]."""
        return 1.0

    @property
    def resampling(self) -> Resampling | None:
        """How often stretches of the times are repeated; None: not at all."""
        return None

    def wrong(self, config: Config) -> Iterator[str]:
        """What in config.sample does not go with it, as sentences for the user."""
        yield from ()


class Images(NamedTuple):
    """The model's images, and files of such.

    Attributes:
      config: of the run.
      shape: (height, width, channels).
      num_values: that their pixels may take.
    """

    config: Config
    shape: tuple[int, int, int]
    num_values: int

    def read(self, name: str, path: str, shape: tuple[int, int, int]) -> Image:
        """The image file of an option, of this shape."""
        return image_files.read(path, shape, self.num_values, self.field(name, path))

    def field(self, name: str, path: str) -> str:
        """What names the option in messages."""
        return f"config.sample.{self.config.sample.task}.{name} = {path!r}"

    def shown(self, image: Image) -> Image:
        """The image as 0..255."""
        return encoding.to_uint8(image, self.num_values)


def as_example(image: Image) -> Float[Any, "1 height width channels"]:
    """One example of pixel values, as real numbers."""
    return jnp.asarray(image, jnp.float32)[None]
