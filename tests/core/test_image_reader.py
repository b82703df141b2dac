"""What a header says, and pixels turned upright."""

import io

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.core import image_reader

# Rows of the letter that EXIF's documentation turns, told apart in every orientation.
LETTER = (
    np.array([[9, 9, 9], [9, 0, 0], [9, 9, 0], [9, 0, 0], [9, 0, 0]], np.uint8) * 20
)
# How a file holds it, by orientation.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: np.rot90(a),
    7: lambda a: np.rot90(a, 2).T,
    8: lambda a: np.rot90(a, -1),
}


def turned(orientation, form="png", image=LETTER):
    """A file that shows the letter upright, held as the orientation says."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored = np.ascontiguousarray(STORED[orientation](image))
    Image.fromarray(stored).save(file, form, exif=exif, quality=100)
    return file.getvalue()


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_every_orientation_is_turned_upright(orientation, form):
    with image_reader.opened(io.BytesIO(turned(orientation, form))) as header:
        assert header.orientation == orientation
        assert header.shape == (5, 3)
        image, told = image_reader.upright(header.image)
    assert told == orientation
    grey = np.asarray(image.convert("L"), int)
    np.testing.assert_allclose(grey, LETTER, atol=0 if form == "png" else 60)


def test_an_orientation_that_there_is_not_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 77
    file = io.BytesIO()
    Image.fromarray(LETTER).save(file, "png", exif=exif)
    with image_reader.opened(file) as header:
        image, told = image_reader.upright(header.image)
    assert told == 1
    np.testing.assert_array_equal(np.asarray(image), LETTER)


def test_depth_and_number_of_images_stand_in_the_header():
    def header_of(image, form="png", **options):
        file = io.BytesIO()
        image.save(file, form, **options)
        with image_reader.opened(file) as header:
            return header.is_deep, header.holds_several

    one, two = Image.fromarray(LETTER), Image.fromarray(255 - LETTER)
    assert header_of(one) == (False, False)
    assert header_of(Image.fromarray(LETTER.astype(np.uint16) * 257)) == (True, False)
    for form in ("gif", "tiff", "png", "webp", "mpo"):
        both = header_of(one.convert("RGB"), form, save_all=True, append_images=[two])
        assert both == (False, True), form


def test_a_file_of_another_format_is_opened_by_nothing():
    """PostScript is a program, and Pillow would have another program run it."""
    script = (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    assert Image.open(io.BytesIO(script)).format == "EPS"
    with (
        pytest.raises(Image.UnidentifiedImageError),
        image_reader.opened(io.BytesIO(script)),
    ):
        pass
    bitmap = io.BytesIO()
    Image.fromarray(LETTER).save(bitmap, "bmp")
    with (
        pytest.raises(Image.UnidentifiedImageError),
        image_reader.opened(bitmap, ("PNG", "JPEG")),
    ):
        pass
