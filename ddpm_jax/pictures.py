"""Images as pictures to look at."""

import io
import math

import numpy as np
from jaxtyping import UInt8
from PIL import Image

# Small images are enlarged until a grid has about this width, in screen pixels.
GRID_WIDTH = 640
GAP = 1  # Image pixels between two images.


def to_uint8(
    pixels: UInt8[np.ndarray, "*shape"], num_values: int
) -> UInt8[np.ndarray, "*shape"]:
    """Pixel values 0..num_values-1 as 0..255."""
    return np.rint(pixels * (255.0 / (num_values - 1))).astype(np.uint8)


def grid(
    images: UInt8[np.ndarray, "batch height width channels"],
) -> UInt8[np.ndarray, "grid_height grid_width channels"]:
    """Images side by side in a square, row by row, enlarged where they are small."""
    num, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(num))
    rows = math.ceil(num / columns)
    sheet = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels),
        255,
        np.uint8,
    )
    for i, image in enumerate(images):
        top = GAP + (i // columns) * (height + GAP)
        left = GAP + (i % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    scale = max(1, GRID_WIDTH // sheet.shape[1])
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)


def png(image: UInt8[np.ndarray, "height width channels"]) -> bytes:
    """Grey (1 channel) or colour (3) as a PNG file's content."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
        buffer, format="PNG"
    )
    return buffer.getvalue()
