"""Weights for Inception-v3 and images made by formula, the same on every machine.

The bits are Philox's, from a key that is the SHA-256 of a name; NumPy promises never to
change them. Features of these weights say nothing of images, but depend on all of both.
"""

import hashlib
import math
from collections.abc import Mapping

import numpy as np


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 in [-1, 1), of 24 bits each."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "little")
    count = math.prod(shape)
    raw = np.random.Philox(key=key).random_raw(-(-count // 2))
    bits = raw.astype("<u8").view("<u4")[:count] >> 8
    return (bits.astype(np.float32) * np.float32(2.0**-23) - 1.0).reshape(shape)


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One array of the file: activations keep their size, and images their difference."""
    values = uniform(name, shape)
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if name.endswith(("bn.weight", "bn.running_var")):
        return 1.0 + 0.5 * values
    if len(shape) == 1:
        return 0.3 * values
    # He's variance. A mean of zero, so that what all images share does not drown the rest.
    axes = tuple(range(1, len(shape)))
    values = values - values.mean(axis=axes, keepdims=True)
    fan_in = math.prod(shape[1:])
    return values * np.float32(math.sqrt(6.0 / fan_in))


def weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """An array for each name."""
    return {name: weight(name, shape) for name, shape in shapes.items()}


def images(count: int, height: int, width: int) -> np.ndarray:
    """uint8 [count, height, width, 3]: tiles of colour under noise."""
    name = f"images {height}x{width}"
    coarse = uniform(f"{name}, tiles", (count, 4, 4, 3))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    tiles = coarse[:, rows][:, :, columns]
    noise = uniform(f"{name}, noise", (count, height, width, 3))
    return np.floor(128.0 * (0.5 * tiles + 0.5 * noise + 1.0)).astype(np.uint8)
