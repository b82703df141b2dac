"""Samples drawn while training: their two files."""

import numpy as np
from etils import epath
from PIL import Image

from ddpm_jax.pictures import samples
from ddpm_jax.sampling import sample_batches, snapshots
from tests import tiny


def test_files_hold_the_images_as_they_are(tmp_path):
    images = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4, 1) % 17
    drawing = samples.drawing(17)
    grid = snapshots.write(epath.Path(tmp_path), 7, images, drawing)
    saved = np.load(tmp_path / "samples" / "7.npz")
    np.testing.assert_array_equal(saved["images"], images)
    assert saved["num_values"] == 17
    np.testing.assert_array_equal(
        Image.open(tmp_path / "samples" / "7.png"), grid[..., 0]
    )
    wide = snapshots.write(epath.Path(tmp_path), 8, images, drawing, 5)
    assert wide.shape[1] > 4 * wide.shape[0]
    np.testing.assert_array_equal(
        Image.open(tmp_path / "samples" / "8.png"), wide[..., 0]
    )


class Counting(sample_batches.Batches):
    """Batches whose samples are their own numbers."""

    def __init__(self, size):
        self.size, self.asked = size, []

    def draw(self, params, first, bar):
        self.asked.append(first)
        numbers = np.arange(first, first + self.size, dtype=np.uint8)
        pixels = np.broadcast_to(numbers[:, None, None, None], (self.size, 2, 2, 1))
        return sample_batches.Batch(pixels, numbers, numbers, None)


def test_the_first_samples_are_as_many_as_the_config_says():
    batches = Counting(4)
    c = tiny.config(sample__num_samples=10, sample__batch_size=4)
    found = snapshots.first(c, batches, None)
    np.testing.assert_array_equal(found[:, 0, 0, 0], np.arange(10))
    assert batches.asked == [0, 4, 8]
