"""Images and masks read from a user's files.

A file may be of any origin: a wrong one is refused in one line that says what would work,
before its pixels are decoded where its header tells enough. An image is turned upright, as
every viewer shows it; nothing is resized or converted, so that the image that is edited is the
one that was given. Colour profiles are ignored.
"""

import contextlib
import io
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from os import PathLike

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from ddpm_jax.core import image_reader, paths
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.image_reader import Header
from ddpm_jax.pictures import encoding

FORMATS = ("PNG", "JPEG")
MAX_BYTES = 64 * 2**20
# Pillow's modes by number of channels; "1" is black and white.
MODES = {1: ("L", "1"), 3: ("RGB",)}
WANTED = {1: "greyscale", 3: "RGB colour"}
KINDS = {
    "1": "black and white",
    "L": "greyscale",
    "P": "of a colour palette",
    "RGB": "RGB colour",
    "CMYK": "CMYK colour",
}
REMEDY = "the path of a PNG or JPEG"


def read(
    path: str | PathLike[str],
    shape: tuple[int, int, int],
    num_values: int,
    field: str,
) -> UInt8[np.ndarray, "height width channels"]:
    """Reads a PNG or JPEG image as pixel values 0..num_values-1.

    Args:
      path: path of a regular file, or of a link to one.
      shape: height, width and channels (1 or 3) that the image must have.
      num_values: number of the data set's pixel values; 255 becomes num_values - 1.
      field: beginning of messages, such as "config.sample.image = 'x.png'".

    Raises:
      ConfigError: it is no such image, or cannot be read.
    """
    return encoding.from_uint8(_pixels(path, shape, field), num_values)


def read_mask(
    path: str | PathLike[str], shape: Sequence[int], field: str
) -> Bool[np.ndarray, "height width 1"]:
    """Reads a mask: True where the file is white, to be painted; False where it is black.

    Args:
      path: path of a greyscale or 1-bit PNG or JPEG, a regular file or a link to one.
      shape: shape of the image, whose height and width come first.
      field: beginning of messages, such as "config.sample.mask = 'x.png'".

    Raises:
      ConfigError: it is no such image, has greys, or cannot be read.
    """
    height, width = shape[:2]
    pixels = _pixels(path, (height, width, 1), field)
    between = np.argwhere((pixels != 0) & (pixels != 255))
    if len(between):
        row, column, _ = between[0]
        raise ConfigError(
            f"{field} has {len(between)} pixels between black and white, such as"
            f" {pixels[row, column, 0]} in row {row}, column {column}: paint with 255"
            " what is to be painted, keep with 0 the rest, and save it as PNG."
        )
    return pixels == 255


def _pixels(
    path: str | PathLike[str], shape: tuple[int, int, int], field: str
) -> UInt8[np.ndarray, "height width channels"]:
    """Reads an image of the given shape as 0..255."""
    data = _content(path, field)
    with _opened(data, field) as header:
        _check_header(header, shape, field)
        # Checks the check sums of all parts of a PNG, which decoding would pass over.
        header.image.verify()
    with _opened(data, field) as header:
        image, orientation = image_reader.upright(header.image)
    # Of a PNG, the orientation may stand behind the pixels.
    _check_size((image.height, image.width), shape, field, orientation)
    *_, channels = shape
    return np.array(image.convert(MODES[channels][0])).reshape(shape)


def _check_size(
    size: tuple[int, int], shape: tuple[int, int, int], field: str, orientation: int
) -> None:
    """Raises ConfigError unless height and width are those wanted."""
    height, width, _ = shape
    if size != (height, width):
        how = "as stored"
        if orientation in image_reader.TURNED:
            how = f"when upright, by its EXIF orientation {orientation}"
        raise ConfigError(
            f"{field} is {size[0]}x{size[1]} pixels {how} (height x width), not"
            f" {height}x{width}: crop or resize it."
        )


def _content(path: str | PathLike[str], field: str) -> bytes:
    """The bytes of a regular file; others are not opened, as reading a pipe could wait."""
    path = paths.expanded(path, field)
    with _explained(field, "read", f"write {REMEDY}"):
        status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{field} is not a file: write {REMEDY}.")
    if status.st_size == 0:
        raise ConfigError(f"{field} is an empty file: write {REMEDY}.")
    if status.st_size > MAX_BYTES:
        raise ConfigError(
            f"{field} has {status.st_size} bytes, more than the {MAX_BYTES} that an"
            " image may have: save it smaller."
        )
    with _explained(field, "read", f"write {REMEDY}"), open(path, "rb") as file:
        # Bounded, as it may have grown.
        return file.read(MAX_BYTES)


def _check_header(header: Header, shape: tuple[int, int, int], field: str) -> None:
    """Checks what an image's header says, before the image is decoded."""
    image, (*_, channels) = header.image, shape
    if header.holds_several:
        raise ConfigError(f"{field} holds several images: save one of them.")
    _check_size(header.shape, shape, field, header.orientation)
    if header.is_deep:
        raise ConfigError(f"{field} has more than 8 bits a channel: convert it to 8.")
    if image.has_transparency_data:
        raise ConfigError(
            f"{field} has transparency: flatten it onto a background and save it as"
            f" {WANTED[channels]} without an alpha channel."
        )
    if image.mode not in MODES[channels]:
        raise ConfigError(
            f"{field} is {KINDS.get(image.mode, image.mode)}, not {WANTED[channels]}:"
            f" convert it to {WANTED[channels]}."
        )


@contextlib.contextmanager
def _opened(data: bytes, field: str) -> Iterator[Header]:
    """Opens an image; any error or warning of its decoder becomes a ConfigError."""
    with warnings.catch_warnings(), _explained(field, "decoded", "save it anew as PNG"):
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with image_reader.opened(io.BytesIO(data), FORMATS) as header:
                yield header
        except Image.UnidentifiedImageError as error:
            raise ConfigError(
                f"{field} is neither PNG nor JPEG, or is broken: save it as one of them."
            ) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ConfigError(
                f"{field} has far more pixels than are needed: crop or resize it."
            ) from error


@contextlib.contextmanager
def _explained(field: str, action: str, remedy: str) -> Iterator[None]:
    """Turns any error into a ConfigError of one line."""
    try:
        yield
    except ConfigError:
        raise
    # Every decoder of Pillow has exceptions of its own.
    except Exception as error:
        text = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        reason = " ".join(text.split())
        raise ConfigError(
            f"{field} cannot be {action} ({reason}): {remedy}."
        ) from error
