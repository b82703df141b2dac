"""Resizing against loops over pixels in float64, and against what a ramp becomes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.inception import resizing
from tests.nets.tools import normal

KINDS = {
    "tensorflow_1": jax.jit(resizing.tensorflow_1, static_argnums=(1, 2)),
    "half_pixel": jax.jit(resizing.half_pixel, static_argnums=(1, 2)),
}
SHAPES = [((3, 4), (7, 9)), ((8, 5), (3, 5)), ((6, 6), (13, 2)), ((1, 2), (4, 4))]


def place(kind, i, size, new_size):
    scale = size / new_size
    at = i * scale if kind == "tensorflow_1" else (i + 0.5) * scale - 0.5
    return min(max(at, 0.0), size - 1.0)


def resized(kind, image, height, width):
    """One pixel after the other."""
    image = np.asarray(image, np.float64)
    out = np.empty((height, width, image.shape[-1]))
    for i in range(height):
        for j in range(width):
            y = place(kind, i, image.shape[0], height)
            x = place(kind, j, image.shape[1], width)
            out[i, j] = 0.0
            for row in range(image.shape[0]):
                for column in range(image.shape[1]):
                    # Every pixel is a tent as wide as its neighbours are far.
                    tent = max(0.0, 1 - abs(y - row)) * max(0.0, 1 - abs(x - column))
                    out[i, j] += tent * image[row, column]
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape, new_shape", SHAPES)
def test_resizing_matches_a_loop(kind, shape, new_shape):
    images = normal(0, 2, *shape, 3)
    got = KINDS[kind](images, *new_shape)
    want = np.stack([resized(kind, image, *new_shape) for image in images])
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_size_changes_no_bit(kind):
    images = normal(0, 1, 9, 11, 3)
    np.testing.assert_array_equal(KINDS[kind](images, 9, 11), images)


def test_a_ramp_doubled_shows_where_the_centres_are():
    ramp = jnp.arange(4.0).reshape(1, 1, 4, 1)
    corner = KINDS["tensorflow_1"](ramp, 1, 8)[0, 0, :, 0]
    np.testing.assert_allclose(corner, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3], atol=1e-6)
    centre = KINDS["half_pixel"](ramp, 1, 8)[0, 0, :, 0]
    want = [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    np.testing.assert_allclose(centre, want, atol=1e-6)


@pytest.mark.parametrize("kind, seen", [("tensorflow_1", 0), ("half_pixel", 1)])
def test_neither_filters_before_it_drops_pixels(kind, seen):
    """Of every three columns one is white: the result has only it, or nothing of it."""
    stripes = np.zeros((1, 2, 9, 1), np.float32)
    stripes[:, :, seen::3] = 1.0
    got = KINDS[kind](jnp.asarray(stripes), 2, 3)
    np.testing.assert_array_equal(got, np.ones((1, 2, 3, 1)))
    others = KINDS[kind](1.0 - jnp.asarray(stripes), 2, 3)
    np.testing.assert_array_equal(others, np.zeros((1, 2, 3, 1)))
