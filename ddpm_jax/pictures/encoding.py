"""Pixel values as 0..255, and pictures as the contents of files."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

ANIMATIONS = ("gif", "webp")
HOLD = 1.0  # Seconds that an animation rests on its last frame.
# Browsers take less for a tenth of a second.
SHORTEST_FRAME = 0.02


def to_uint8(
    pixels: UInt8[np.ndarray, "*shape"], num_values: int
) -> UInt8[np.ndarray, "*shape"]:
    """Pixel values 0..num_values-1 as 0..255."""
    return np.rint(pixels * (255.0 / (num_values - 1))).astype(np.uint8)


def from_uint8(
    picture: UInt8[np.ndarray, "*shape"], num_values: int
) -> UInt8[np.ndarray, "*shape"]:
    """The pixel values that `to_uint8` made a picture of."""
    return np.rint(picture * ((num_values - 1) / 255.0)).astype(np.uint8)


def png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """Grey (1 channel) or colour (3) as a PNG file's content."""
    buffer = io.BytesIO()
    _picture(image).save(buffer, format="PNG")
    return buffer.getvalue()


def from_png(data: bytes) -> UInt8[np.ndarray, "height width channels"]:
    """Undoes `png`."""
    image = np.array(Image.open(io.BytesIO(data)))
    return image[..., None] if image.ndim == 2 else image


def animation(
    frames: UInt8[np.ndarray, "frames height width channels"],
    form: str,
    seconds: float,
) -> bytes:
    """Frames one after another, without end, as a file's content.

    Args:
      frames: grey (1 channel) or colour (3).
      form: gif, exact where a frame has at most 256 colours, or webp, always exact.
      seconds: that all frames take, beside the rest on the last one.
    """
    each = max(SHORTEST_FRAME, seconds / len(frames))
    durations = [each] * (len(frames) - 1) + [each + HOLD]
    first, *others = (_picture(frame) for frame in frames)
    buffer = io.BytesIO()
    first.save(
        buffer,
        format=form,
        save_all=True,
        append_images=others,
        # Milliseconds; a GIF counts in hundredths of a second.
        duration=[10 * round(100 * duration) for duration in durations],
        loop=0,
        **({"lossless": True} if form == "webp" else {"optimize": False}),
    )
    return buffer.getvalue()


def _picture(image: UInt8[np.ndarray, "height width channels"]) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
