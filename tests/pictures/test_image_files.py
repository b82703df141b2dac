"""Images and masks of a user: read exactly, or refused in one line."""

import io
import os
import signal
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.pictures import image_files
from tests.core import test_image_reader

FIELD = "config.sample.image = 'x.png'"
HEIGHT, WIDTH = 6, 9
COLOUR, GREY = (HEIGHT, WIDTH, 3), (HEIGHT, WIDTH, 1)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image, form="png", **options):
    if not isinstance(image, Image.Image):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def chunk(kind, content):
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png_of(height, width, rows, *, depth=8, kind=2, others=b""):
    """A PNG by hand: `kind` 0 is grey, 2 colour; others: chunks before the pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + others + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


def rows_of(image):
    """Unfiltered rows of a PNG."""
    return b"".join(b"\0" + row.tobytes() for row in image)


@pytest.fixture
def read(tmp_path):
    """read(data, shape) of a file that holds them."""

    def read(data, shape=COLOUR, num_values=256):
        path = tmp_path / "x.png"
        path.write_bytes(data)
        return image_files.read(path, shape, num_values, FIELD)

    return read


@pytest.fixture
def read_mask(tmp_path):
    def read_mask(data, shape=COLOUR):
        path = tmp_path / "x.png"
        path.write_bytes(data)
        return image_files.read_mask(path, shape, FIELD)

    return read_mask


def refused(call, *args):
    """The message, which is one line and begins with the field."""
    with pytest.raises(ConfigError) as error:
        call(*args)
    message = str(error.value)
    assert message.startswith(FIELD + " "), message
    assert "\n" not in message and message.endswith("."), message
    assert ": " in message.removeprefix(FIELD), f"no remedy in {message}"
    return message.removeprefix(FIELD + " ")


@pytest.mark.parametrize("shape", [COLOUR, GREY])
def test_a_png_is_read_as_it_was_written(read, shape):
    image = noise(*shape)
    by_hand = png_of(*shape[:2], rows_of(image), kind=2 if shape[-1] == 3 else 0)
    for data in (encoded(image), by_hand):
        found = read(data, shape)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, image)


def test_a_jpeg_is_near_what_was_written(read):
    ramp = np.linspace(0, 200, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH, 1)
    ramp = ramp.astype(np.uint8)
    for image in (ramp, ramp.repeat(3, axis=-1)):
        found = read(encoded(image, "jpeg", quality=95), image.shape)
        np.testing.assert_allclose(found.astype(int), image, atol=8)


def test_greys_become_the_values_of_the_data_set(read):
    values = np.arange(HEIGHT * WIDTH).astype(np.uint8).reshape(GREY) % 17
    # Sixteenths of 255, rounded, as a picture of such a data set has them.
    picture = np.round(values * (255 / 16)).astype(np.uint8)
    np.testing.assert_array_equal(read(encoded(picture), GREY, 17), values)
    image = noise(*GREY)
    np.testing.assert_array_equal(
        read(encoded(image), GREY, 17), np.round(image / 255 * 16)
    )


def test_black_and_white_is_grey(read):
    image = np.where(noise(*GREY) < 100, 0, 255).astype(np.uint8)
    data = encoded(Image.fromarray(image[..., 0]).convert("1"))
    np.testing.assert_array_equal(read(data, GREY), image)
    np.testing.assert_array_equal(read(data, GREY, 2), image // 255)


def test_a_mask_is_true_where_it_is_white(read_mask):
    where = noise(*GREY) < 100
    image = np.where(where, 255, 0).astype(np.uint8)
    of_one_bit = encoded(Image.fromarray(image[..., 0]).convert("1"))
    for data in (encoded(image), of_one_bit):
        for shape in (COLOUR, GREY):
            found = read_mask(data, shape)
            assert found.dtype == bool
            np.testing.assert_array_equal(found, where)


def test_a_mask_with_greys_is_refused(read_mask):
    image = np.zeros(GREY, np.uint8)
    image[2:4, 5, 0] = 12, 254
    image[0] = 255
    message = refused(read_mask, encoded(image))
    assert message.startswith(
        "has 2 pixels between black and white, such as 12 in row 2"
    )
    assert "column 5:" in message


def of_16_bits():
    deep = np.random.default_rng(0).integers(0, 2**16, (HEIGHT, WIDTH, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
    return png_of(HEIGHT, WIDTH, rows, depth=16)


COLOURED = Image.fromarray(noise(*COLOUR))
GREYISH = Image.fromarray(noise(*GREY)[..., 0])
# Of a colour that is transparent.
TRANSPARENT = chunk(b"tRNS", bytes(6))
OTHER_KINDS = {
    "colour as grey": (encoded(COLOURED), GREY, "is RGB colour, not greyscale: conv"),
    "grey as colour": (encoded(GREYISH), COLOUR, "is greyscale, not RGB colour: conv"),
    "1 bit as colour": (
        encoded(GREYISH.convert("1")),
        COLOUR,
        "is black and white, not",
    ),
    "palette as colour": (encoded(COLOURED.convert("P")), COLOUR, "is of a colour pal"),
    "palette as grey": (encoded(GREYISH.convert("P")), GREY, "is of a colour palette"),
    "grey alpha": (encoded(GREYISH.convert("LA")), GREY, "has transparency: flatten"),
    "alpha": (encoded(COLOURED.convert("RGBA")), COLOUR, "has transparency: flatten"),
    "a transparent colour": (
        png_of(HEIGHT, WIDTH, rows_of(noise(*COLOUR)), others=TRANSPARENT),
        COLOUR,
        "has transparency: flatten it onto a background and save it as RGB",
    ),
    "CMYK": (encoded(COLOURED.convert("CMYK"), "jpeg"), COLOUR, "is CMYK colour, not"),
    "16 bits of grey": (
        encoded(Image.fromarray(noise(*GREY)[..., 0].astype(np.uint16))),
        GREY,
        "has more than 8 bits a channel: convert it to 8",
    ),
    "16 bits of colour": (of_16_bits(), COLOUR, "has more than 8 bits a channel"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_other_kinds_of_colours_are_refused(read, kind):
    data, shape, message = OTHER_KINDS[kind]
    assert refused(read, data, shape).startswith(message)


@pytest.mark.parametrize("kind", ["colour", "alpha", "palette"])
def test_a_mask_in_colour_is_refused(read_mask, kind):
    mode = {"colour": "RGB", "alpha": "LA", "palette": "P"}[kind]
    message = refused(read_mask, encoded(GREYISH.convert(mode)))
    assert "greyscale" in message


def test_another_size_is_refused_before_anything_is_decoded(read, monkeypatch):
    def decoded(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decoded)
    message = refused(read, encoded(noise(WIDTH, HEIGHT, 3)))
    assert message.startswith("is 9x6 pixels as stored (height x width), not 6x9: crop")
    # 9 TB of pixels, and none there.
    for side in (9_000, 12_000, 60_000, 2**31 - 1):
        message = refused(read, png_of(side, side, b""))
        if side == 9_000:
            assert message.startswith("is 9000x9000 pixels")
        else:
            assert message.startswith("has far more pixels than are needed: crop or re")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_to_be_turned_is_read_upright(read, orientation):
    letter = test_image_reader.LETTER
    data = test_image_reader.turned(orientation)
    np.testing.assert_array_equal(read(data, (5, 3, 1)), letter[..., None])
    # A wrong size is told as a viewer shows the image.
    message = refused(read, data, (3, 5, 1))
    how = f"when upright, by its EXIF orientation {orientation}"
    assert message.startswith(
        f"is 5x3 pixels {'as stored' if orientation == 1 else how}"
    )


def test_an_orientation_after_the_pixels_is_seen_too(read):
    """It would be shown with another height and width than its header has."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = png_of(HEIGHT, WIDTH, rows_of(noise(*COLOUR)))
    end = chunk(b"IEND", b"")
    late = data.removesuffix(end) + chunk(b"eXIf", exif.tobytes()[6:]) + end
    assert "EXIF orientation 6" in refused(read, late)


def test_several_images_in_one_file_are_refused(read):
    first, second = COLOURED, Image.fromarray(noise(*COLOUR, seed=1))
    animated = encoded(first, save_all=True, append_images=[second])
    assert refused(read, animated).startswith("holds several images: save one")
    camera = encoded(first, "mpo", save_all=True, append_images=[second])
    assert refused(read, camera).startswith("holds several images: save one")


def test_what_pillow_warns_or_complains_of_is_said_in_one_line(read, monkeypatch):
    # An animation of no frames.
    doubtful = png_of(
        HEIGHT, WIDTH, rows_of(noise(*COLOUR)), others=chunk(b"acTL", bytes(8))
    )
    assert "cannot be decoded (UserWarning: Invalid APNG" in refused(read, doubtful)

    def complain(*_, **__):
        raise OSError("of two\n lines")

    monkeypatch.setattr(Image, "open", complain)
    message = refused(read, encoded(COLOURED))
    assert message == "cannot be decoded (OSError: of two lines): save it anew as PNG."


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_file_cut_short_is_refused(read, form):
    # Large enough that pixels are missing wherever it is cut.
    shape = (48, 40, 3)
    data = encoded(noise(*shape), form)
    assert read(data, shape).shape == shape
    for tenths in range(10):
        message = refused(read, data[: len(data) * tenths // 10], shape)
        if tenths == 0:
            assert message.startswith("is an empty file: write the path of a PNG")
    # Even the mere end of it, of a PNG.
    if form == "png":
        refused(read, data[:-12], shape)


def test_a_changed_byte_of_a_png_is_seen(read):
    data = encoded(noise(*COLOUR))
    # But for the mark of its end, which holds nothing.
    for place in range(len(data) - len(chunk(b"IEND", b""))):
        changed = bytearray(data)
        changed[place] ^= 1
        refused(read, bytes(changed))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("late", [False, True])
def test_a_text_that_unpacks_to_very_much_is_refused(read, kind, late):
    packed = zlib.compress(bytes(8 * 2**20))
    start = {b"zTXt": b"a\0\0", b"iTXt": b"a\0\1\0\0\0", b"iCCP": b"a\0\0"}[kind]
    bomb = chunk(kind, start + packed)
    data = png_of(HEIGHT, WIDTH, rows_of(noise(*COLOUR)), others=b"" if late else bomb)
    if late:
        end = chunk(b"IEND", b"")
        data = data.removesuffix(end) + bomb + end
    assert "cannot be decoded (ValueError: Decompressed data too" in refused(read, data)


def test_pixels_that_unpack_to_very_much_are_read_no_further(read):
    image = noise(*COLOUR)
    data = png_of(HEIGHT, WIDTH, rows_of(image) + bytes(2**24))
    np.testing.assert_array_equal(read(data), image)


@pytest.mark.parametrize("form", ["webp", "gif", "bmp", "tiff"])
def test_other_formats_are_refused_whatever_the_name(read, form):
    assert refused(read, encoded(COLOURED, form)).startswith("is neither PNG nor JPEG")


def test_what_is_no_image_is_refused(read):
    assert refused(read, b"hello").startswith("is neither PNG nor JPEG, or is broken")
    assert refused(read, bytes(1000)).startswith("is neither PNG nor JPEG")


def test_a_file_too_large_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    with open(path, "wb") as file:
        file.truncate(2**26 + 1)
    never_opened(monkeypatch)
    message = refused(image_files.read, path, COLOUR, 256, FIELD)
    assert message.startswith(
        "has 67108865 bytes, more than the 67108864 that an image"
    )


def never_opened(monkeypatch):
    def opened(*_):
        raise AssertionError("opened")

    monkeypatch.setattr(image_files, "open", opened, raising=False)


@pytest.fixture
def two_seconds():
    """Ends a test that waits."""

    def stop(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link to a device"])
def test_what_is_no_regular_file_is_never_opened(
    tmp_path, monkeypatch, two_seconds, kind
):
    path = tmp_path / "x.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = "/dev/zero"
    else:
        path.symlink_to("/dev/zero")
    never_opened(monkeypatch)
    for call in (
        lambda: image_files.read(path, COLOUR, 256, FIELD),
        lambda: image_files.read_mask(path, COLOUR, FIELD),
    ):
        assert refused(call).startswith(
            "is not a file: write the path of a PNG or JPEG"
        )


def test_a_link_to_a_file_is_followed(tmp_path):
    image = noise(*COLOUR)
    (tmp_path / "there.png").write_bytes(encoded(image))
    (tmp_path / "x.png").symlink_to("there.png")
    found = image_files.read(str(tmp_path / "x.png"), COLOUR, 256, FIELD)
    np.testing.assert_array_equal(found, image)


def test_a_file_that_is_not_there_is_named(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    reasons = {
        "missing.png": "No such file or directory",
        "file/x.png": "Not a directory",
        "loop": "symbolic links",
        "x" * 300: "name too long",
        "nul\0": "null",
    }
    for name, reason in reasons.items():
        path = f"{tmp_path}/{name}"
        message = refused(image_files.read, path, COLOUR, 256, FIELD)
        assert message.startswith("cannot be read (") and reason in message
    refused(image_files.read, "", COLOUR, 256, FIELD)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "x.png"
    path.write_bytes(encoded(COLOURED))
    # Whoever runs the tests as root may read any file.
    monkeypatch.setattr(image_files, "open", forbidden, raising=False)
    message = refused(image_files.read, path, COLOUR, 256, FIELD)
    assert message.startswith("cannot be read (Permission denied): write the path")
