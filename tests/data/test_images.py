"""Encoded images to arrays: colours, crops, resizing and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.data import images
from tests.core import test_image_reader
from tests.data.conftest import encoded


def frame(channels=3, image_size=None, center_crop=None):
    return images.Frame(
        channels=channels, image_size=image_size, center_crop=center_crop
    )


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def read(frame, data):
    return frame.read(io.BytesIO(data), "image x")


def test_stored_pixels_come_back_bit_by_bit():
    image = noise(7, 9, 3)
    np.testing.assert_array_equal(read(frame(), encoded(image)), image)
    grey = noise(7, 9)
    found = read(frame(channels=1), encoded(grey))
    np.testing.assert_array_equal(found, grey[..., None])
    assert found.dtype == np.uint8


def test_grey_becomes_three_equal_channels():
    grey = noise(4, 4)
    found = read(frame(), encoded(grey))
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=-1))


def test_colour_becomes_grey_by_luma():
    image = noise(5, 5, 3)
    found = read(frame(channels=1), encoded(image))
    np.testing.assert_allclose(
        found[..., 0], image @ np.array([0.299, 0.587, 0.114]), atol=1
    )


def test_transparent_parts_are_white():
    image = np.zeros((2, 2, 4), np.uint8)
    image[0, 0] = (10, 20, 30, 255)
    image[1, 1] = (0, 0, 0, 127)
    found = read(frame(), encoded(image))
    np.testing.assert_array_equal(found[0, 0], (10, 20, 30))
    np.testing.assert_array_equal(found[0, 1], (255, 255, 255))
    np.testing.assert_allclose(found[1, 1], 128, atol=1)


def test_a_palette_is_looked_up():
    image = Image.new("P", (2, 1))
    image.putpalette([9, 8, 7, 1, 2, 3])
    image.putdata([1, 0])
    file = io.BytesIO()
    image.save(file, "png")
    found = read(frame(), file.getvalue())
    np.testing.assert_array_equal(found, [[[1, 2, 3], [9, 8, 7]]])


def test_the_centre_is_cropped():
    image = noise(218, 178, 3)
    found = read(frame(center_crop=140), encoded(image))
    np.testing.assert_array_equal(found, image[39:179, 19:159])


def test_the_right_size_is_not_resampled():
    image = noise(8, 8, 3)
    np.testing.assert_array_equal(read(frame(image_size=8), encoded(image)), image)
    cropped = read(frame(image_size=6, center_crop=6), encoded(image))
    np.testing.assert_array_equal(cropped, image[1:7, 1:7])


def test_reduction_averages_over_all_pixels():
    """Fine stripes are grey when small; dropping pixels would keep black or white."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    found = read(frame(image_size=16), encoded(stripes)).astype(int)
    assert np.abs(found[:, 2:-2] - 127.5).max() < 10


def test_an_oblong_image_is_cut_to_a_square_not_squeezed():
    image = np.zeros((8, 24, 3), np.uint8)
    image[:, 8:16] = 200
    found = read(frame(image_size=4), encoded(image))
    assert found.shape == (4, 4, 3)
    np.testing.assert_array_equal(found, 200)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3)])
def test_sixteen_bits_are_refused(shape):
    if len(shape) == 2:
        data = encoded(np.full(shape, 40_000, np.uint16))
    else:
        data = _png_of_16_bits(np.full(shape, 40_000, np.uint16))
    with pytest.raises(ValueError, match="image x has more than 8 bits"):
        read(frame(), data)


def _png_of_16_bits(image):
    """Pillow writes no RGB of 16 bits: by hand."""
    import struct
    import zlib

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("file_format", ["png", "jpeg", "gif", "webp", "bmp"])
def test_a_file_cut_short_is_broken_in_every_format(file_format):
    data = encoded(noise(40, 40, 3), file_format)
    with pytest.raises(images.BrokenImageError, match="image x cannot be read"):
        read(frame(), data[: len(data) // 2])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_where_that_is_asked_for(orientation):
    data, letter = test_image_reader.turned(orientation), test_image_reader.LETTER
    upright = images.Frame(channels=1, image_size=None, center_crop=None, upright=True)
    np.testing.assert_array_equal(read(upright, data), letter[..., None])
    # A data set that others have decoded has its pixels as they are stored.
    stored = test_image_reader.STORED[orientation](letter)
    np.testing.assert_array_equal(read(frame(channels=1), data), stored[..., None])


def test_an_image_whose_metadata_are_broken_is_read_as_stored(monkeypatch):
    def broken(_):
        raise SyntaxError("not a TIFF file (header b'' not valid)")

    monkeypatch.setattr(images.image_reader, "upright", broken)
    upright = images.Frame(channels=1, image_size=None, center_crop=None, upright=True)
    grey = noise(4, 5)
    np.testing.assert_array_equal(read(upright, encoded(grey)), grey[..., None])


def test_the_first_of_several_images_is_read():
    first, second = (Image.fromarray(noise(4, 4) // part) for part in (1, 2))
    file = io.BytesIO()
    first.save(file, "tiff", save_all=True, append_images=[second])
    found = read(frame(channels=1), file.getvalue())
    np.testing.assert_array_equal(found[..., 0], np.asarray(first))


def test_no_image_at_all_is_broken():
    with pytest.raises(images.BrokenImageError, match="image x cannot be read"):
        read(frame(), b"hello")


def test_too_small_for_the_crop():
    with pytest.raises(ValueError, match=r"center_crop = 9 .* 5x7: write at most 5"):
        read(frame(center_crop=9), encoded(noise(5, 7, 3)))


def test_another_shape_names_the_image_and_the_remedy():
    message = "image_size is not set, and image x is 5x7 where others are 6x9.*as 4"
    with pytest.raises(ValueError, match=message):
        images.check_shape(noise(5, 7, 3), (6, 9, 3), "image x")


def test_channels_are_one_or_three():
    with pytest.raises(ValueError, match="channels = 2: write 1 or 3"):
        frame(channels=2)


def test_what_was_done_is_told():
    assert frame().describe() == "none"
    assert "140x140" in frame(center_crop=140).describe()
    assert "64x64, lanczos" in frame(image_size=64).describe()
