"""Pixel values as 0..255, and pictures encoded as the contents of files."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image

ANIMATIONS = ("gif", "webp")
HOLD_SECONDS = 1.0  # How long an animation rests on its last frame.
# Browsers show a shorter frame for a tenth of a second.
MIN_FRAME_SECONDS = 0.02


def to_uint8(
    pixels: UInt8[np.ndarray, "*shape"], num_values: int
) -> UInt8[np.ndarray, "*shape"]:
    """Pixel values 0..num_values-1, scaled to 0..255."""
    return np.rint(pixels * (255.0 / (num_values - 1))).astype(np.uint8)


def from_uint8(
    picture: UInt8[np.ndarray, "*shape"], num_values: int
) -> UInt8[np.ndarray, "*shape"]:
    """The pixel values 0..num_values-1 of a picture: the inverse of `to_uint8`."""
    return np.rint(picture * ((num_values - 1) / 255.0)).astype(np.uint8)


def png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """The content of a PNG file of a grey (1 channel) or colour (3) image."""
    buffer = io.BytesIO()
    _picture(image).save(buffer, format="PNG")
    return buffer.getvalue()


def from_png(data: bytes) -> UInt8[np.ndarray, "height width channels"]:
    """The image that a PNG file's content holds: the inverse of `png`."""
    image = np.array(Image.open(io.BytesIO(data)))
    return image[..., None] if image.ndim == 2 else image


def animation(
    frames: UInt8[np.ndarray, "frames height width channels"],
    form: str,
    seconds: float,
) -> bytes:
    """The content of an animation's file: frames one after another, repeated without end.

    Args:
      frames: grey (1 channel) or colour (3).
      form: "gif", lossless where a frame has at most 256 colours, or "webp", lossless.
      seconds: duration of all frames, without the rest on the last one.
    """
    frame_seconds = max(MIN_FRAME_SECONDS, seconds / len(frames))
    durations = [frame_seconds] * (len(frames) - 1) + [frame_seconds + HOLD_SECONDS]
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
