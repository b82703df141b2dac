"""Encoded images of a data set as arrays of one shape.

Images of 8 bits a channel only: one of 16 bits read as 8 would be another data set.
"""

import dataclasses
import io
import math
from os import PathLike

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ddpm_jax.core import image_reader, outside

Pixels = UInt8[np.ndarray, "height width channels"]
# Pillow widens a filter with the reduction, so that every pixel has its weight.
RESAMPLING = Image.Resampling.LANCZOS
MODES = {1: "L", 3: "RGB"}


class BrokenImageError(ValueError):
    """An image that cannot be decoded."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Frame:
    """The preparation of images of any size and colours: [height, width, channels] of uint8.

    First the colours, transparent parts laid on white. Then the central square of
    `center_crop`, if that is set. Last, if `image_size` is set, the largest central
    square is resized to it with an anti-aliasing filter; an image of that size stays.

    Attributes:
      channels: 1 or 3.
      image_size: height and width to resize to, or None.
      center_crop: height and width to cut before that, or None.
      upright: whether each image is turned first as its EXIF orientation says.
    """

    channels: int
    image_size: int | None
    center_crop: int | None
    upright: bool = False

    def __post_init__(self) -> None:
        if self.channels not in MODES:
            raise ValueError(f"channels = {self.channels}: write 1 or 3.")

    @property
    def size(self) -> int | None:
        """Height and width of the prepared images in pixels; None: as each is stored."""
        return self.image_size or self.center_crop

    def describe(self) -> str:
        """The preparation in words, for a report."""
        steps = []
        if self.center_crop:
            steps.append(f"central {self.center_crop}x{self.center_crop}")
        if self.image_size:
            size = f"{self.image_size}x{self.image_size}"
            steps.append(f"largest central square to {size}, {RESAMPLING.name.lower()}")
        return ", then ".join(steps) or "none"

    def read(self, file: PathLike[str] | io.BytesIO, where: str) -> Pixels:
        """Reads and prepares one image; of a file with several, the first.

        Args:
          file: a path, or a file's content.
          where: the image's name in messages.

        Raises:
          BrokenImageError: it cannot be decoded.
          ValueError: it has more than 8 bits a channel, or less than `center_crop`.
        """
        try:
            with image_reader.opened(file) as header:
                is_deep, image = header.is_deep, self._decoded(header.image)
        # Each of Pillow's decoders has exceptions of its own.
        except Exception as error:
            if outside.is_passing(error):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise BrokenImageError(f"{where} cannot be read ({reason})") from error
        if is_deep:
            raise ValueError(
                f"{where} has more than 8 bits a channel (Pillow mode {image.mode}):"
                " convert it to 8."
            )
        pixels = np.asarray(self._resize(self._crop(self._colour(image), where)))
        return pixels.reshape(*pixels.shape[:2], self.channels)

    def _decoded(self, image: Image.Image) -> Image.Image:
        image.load()
        if not self.upright:
            return image
        try:
            return image_reader.upright(image)[0]
        except Exception:  # Metadata that cannot be read say of no orientation.
            return image

    def _colour(self, image: Image.Image) -> Image.Image:
        mode = MODES[self.channels]
        if image.has_transparency_data:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return image if image.mode == mode else image.convert(mode)

    def _crop(self, image: Image.Image, where: str) -> Image.Image:
        size = self.center_crop
        if size and min(image.size) < size:
            raise ValueError(
                f"config.data.center_crop = {size} is more than {where} has, which is"
                f" {image.height}x{image.width}: write at most {min(image.size)}."
            )
        return _central_square(image, size) if size else image

    def _resize(self, image: Image.Image) -> Image.Image:
        size = self.image_size
        if not size or image.size == (size, size):
            return image
        square = _central_square(image, min(image.size))
        return square.resize((size, size), RESAMPLING)


def check_shape(pixels: Pixels, shape: tuple[int, int, int], where: str) -> None:
    """Raises ValueError, with the remedy, unless an image has the data set's shape."""
    if pixels.shape != shape:
        height, width, _ = shape
        raise ValueError(
            f"config.data.image_size is not set, and {where} is"
            f" {pixels.shape[0]}x{pixels.shape[1]} where others are {height}x{width}:"
            f" write a size for all, such as {_power_of_2_below(min(shape[:2]))}."
        )


def _central_square(image: Image.Image, size: int) -> Image.Image:
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def _power_of_2_below(size: int) -> int:
    return 2 ** int(math.log2(size))
