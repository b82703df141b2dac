"""The drawing of samples by their number of pixel values: grids of images, plots of points."""

import numpy as np
import pytest

from ddpm_jax.pictures import encoding, grids, samples
from ddpm_jax.pictures.points import PointPlots, Truth
from ddpm_jax.pictures.samples import Drawing


def images(num, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 17, (num, 4, 4, 1), dtype=np.uint8)


def test_pixel_values_are_drawn_as_images_and_real_numbers_as_points():
    truth = Truth(lambda x: x[:, 0], np.zeros((1, 1)))
    of_images, of_points = samples.drawing(17), samples.drawing(0, truth)
    assert isinstance(of_images, samples.ImageGrids) and isinstance(of_images, Drawing)
    assert isinstance(of_points, PointPlots) and isinstance(of_points, Drawing)
    assert of_points.truth is truth
    assert (of_images.num_values, of_points.num_values) == (17, 0)
    # A grid of 64 images is full; as many points are no histogram.
    assert of_images.most_alone == 64 and of_points.most_alone >= 1_000
    assert of_images.most_beside == 16 and of_points.most_beside >= 1_000


def test_images_are_shown_with_values_from_0_to_255():
    drawing, shown = samples.drawing(17), encoding.to_uint8(images(6), 17)
    np.testing.assert_array_equal(drawing.grid(images(6)), grids.grid(shown))
    np.testing.assert_array_equal(drawing.grid(images(6), 3), grids.grid(shown, 3))
    film = images(6).reshape(3, 2, 4, 4, 1), images(6, 1).reshape(3, 2, 4, 4, 1)
    of_film = [encoding.to_uint8(part, 17) for part in film]
    np.testing.assert_array_equal(drawing.strip(*film), grids.strip(*of_film))
    cells = {"a": [images(3), None]}
    expected = grids.comparison({"a": [shown[:3], None]}, ["one", "two"])
    cells["a"][0] = images(6)[:3]
    np.testing.assert_array_equal(drawing.comparison(cells, ["one", "two"]), expected)


def test_frames_of_images_have_z_on_the_left_and_a_gap():
    x_hat, z = (images(6, seed).reshape(3, 2, 4, 4, 1) for seed in (0, 1))
    drawing = samples.drawing(17)
    for number, frame in enumerate(drawing.frames(x_hat, z)):
        left, right = drawing.grid(z[number]), drawing.grid(x_hat[number])
        np.testing.assert_array_equal(frame[:, : left.shape[1]], left)
        np.testing.assert_array_equal(frame[:, -right.shape[1] :], right)
        assert frame.shape[1] == left.shape[1] + samples.GAP + right.shape[1]


@pytest.mark.parametrize("num_values", [17, 0])
def test_both_make_pictures_of_all_kinds(num_values):
    """Whoever draws need not know what the samples are."""
    drawing = samples.drawing(num_values)
    of = images(6) if num_values else images(6)[:, :1, :1].astype(np.float32)
    film = np.stack([of, of])
    pictures = [
        *(drawing.grid(of), drawing.grid(of, 3), drawing.strip(film, film)),
        *drawing.frames(film, film),
        drawing.comparison({"a": [of]}, ["one"]),
    ]
    for picture in pictures:
        assert picture.dtype == np.uint8 and picture.shape[2] in (1, 3)
        assert len(encoding.png(picture)) > 100
