"""Bilinear resizing as TensorFlow 1 and PyTorch do it: FIDs depend on the difference.

Along each axis, pixel i of the result lies at a place of the image, in units of its pixels,

    TensorFlow 1:  i * scale                  half-pixel centres:  (i + 1/2) * scale - 1/2

with scale = size of the image / size of the result. Its value is interpolated between the
two pixels around that place; beyond the first and last pixel, it is theirs. Neither filters
before it drops pixels: a large image is aliased (Parmar et al. 2022, arXiv:2104.11222).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ddpm_jax.nets.layers import Images

Resized = Float[Array, "batch rows columns channels"]


def tensorflow_1(images: Images, height: int, width: int) -> Resized:
    """Resizing as by TF1's ResizeBilinear with align_corners=False, from the corner.

    The result is shifted by half a pixel of the image, less half a pixel of its own.
    """
    rows = _positions(images.shape[1], height)
    columns = _positions(images.shape[2], width)
    return _interpolated(images, rows, columns)


def half_pixel(images: Images, height: int, width: int) -> Resized:
    """Resizing as by PyTorch's bilinear interpolate with align_corners=False, no antialias."""
    rows = _positions(images.shape[1], height, centre=0.5)
    columns = _positions(images.shape[2], width, centre=0.5)
    return _interpolated(images, rows, columns)


def _positions(
    size: int, new_size: int, centre: float = 0.0
) -> Float[np.ndarray, " pixels"]:
    """Positions on an axis of `size` pixels of the pixels of one of `new_size`."""
    # In float32, as the libraries do.
    scale = np.float32(size / new_size)
    offset = np.float32(centre)
    positions = (np.arange(new_size, dtype=np.float32) + offset) * scale - offset
    return np.clip(positions, np.float32(0), np.float32(size - 1))


def _interpolated(
    images: Images,
    rows: Float[np.ndarray, " rows"],
    columns: Float[np.ndarray, " columns"],
) -> Resized:
    """The values at all crossings of rows and columns, by bilinear interpolation."""
    left = np.floor(columns).astype(np.int32)
    right = np.minimum(left + 1, images.shape[2] - 1)
    column_weight = jnp.asarray(columns - left, images.dtype)[None, None, :, None]
    start, end = images[:, :, left], images[:, :, right]
    images = start + (end - start) * column_weight

    above = np.floor(rows).astype(np.int32)
    below = np.minimum(above + 1, images.shape[1] - 1)
    row_weight = jnp.asarray(rows - above, images.dtype)[None, :, None, None]
    start, end = images[:, above], images[:, below]
    return start + (end - start) * row_weight
