"""Pixel values as pictures, and pictures as the contents of files."""

import io

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.pictures import encoding


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_pixel_values_fill_the_range_of_a_picture():
    values = np.arange(17, dtype=np.uint8).reshape(1, 17)
    found = encoding.to_uint8(values, 17)
    assert found[0, 0] == 0 and found[0, -1] == 255
    np.testing.assert_allclose(np.diff(found.astype(int)), 16, atol=1)
    whole = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(encoding.to_uint8(whole, 256), whole)


def test_a_picture_gives_back_any_number_of_pixel_values():
    for num_values in range(2, 257):
        values = np.arange(num_values).astype(np.uint8)
        picture = encoding.to_uint8(values, num_values)
        np.testing.assert_array_equal(encoding.from_uint8(picture, num_values), values)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_gives_back_the_picture(channels):
    picture = random_images(6, 9, channels)
    np.testing.assert_array_equal(encoding.from_png(encoding.png(picture)), picture)


def read_back(data):
    with Image.open(io.BytesIO(data)) as film:
        frames, durations = [], []
        for number in range(film.n_frames):
            film.seek(number)
            film.load()
            frames.append(np.array(film.convert("RGB")))
            durations.append(film.info["duration"])
        return film.format, film.info["loop"], np.stack(frames), durations


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_an_animation_of_greys_is_exact_and_rests_at_its_end(form):
    frames = np.stack([random_images(16, 24, 1, seed=seed) for seed in range(5)])
    frames[1] //= 64
    found_form, loop, found, durations = read_back(
        encoding.animation(frames, form, seconds=1.0)
    )
    assert found_form == form.upper()
    assert loop == 0, "without end"
    np.testing.assert_array_equal(found, frames.repeat(3, axis=-1))
    assert durations == [200, 200, 200, 200, 1200]


def test_an_animation_in_colour_is_exact_as_webp_and_near_as_gif():
    frames = np.stack([random_images(32, 32, 3, seed=seed) for seed in range(3)])
    *_, found, durations = read_back(encoding.animation(frames, "webp", seconds=0.1))
    np.testing.assert_array_equal(found, frames)
    assert durations == [30, 30, 1030]
    *_, found, durations = read_back(encoding.animation(frames, "gif", seconds=0.1))
    assert np.abs(found.astype(int) - frames).mean() < 20
    assert durations == [30, 30, 1030]
    # No more colours than a gif has.
    few = frames // 64 * 64
    *_, found, _ = read_back(encoding.animation(few, "gif", seconds=0.1))
    np.testing.assert_array_equal(found, few)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_a_fast_animation_is_no_faster_than_browsers_show(form):
    frames = np.stack([random_images(8, 8, 1, seed=seed) for seed in range(10)])
    *_, durations = read_back(encoding.animation(frames, form, seconds=0.01))
    assert durations == [20] * 9 + [1020]
