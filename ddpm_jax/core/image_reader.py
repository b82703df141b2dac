"""Image files decoded by Pillow: what each header says, and upright pixels.

All image files that the program reads come through here. What is refused, cropped or
converted is for who asks: data sets in `data/images`, a user's edits in
`pictures/image_files`.
"""

import contextlib
import functools
import io
from collections.abc import Iterator, Sequence
from os import PathLike

from PIL import ExifTags, Image, ImageFile, ImageOps

# Raster formats that a file tells by its first bytes, and that Pillow decodes by itself: it
# would hand a PostScript file to another program.
FORMATS = (
    *("PNG", "JPEG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF"),
    *("PCX", "ICO", "QOI", "SGI"),
)
# EXIF's numbers of orientations that are not upright: mirrored, turned or both.
TURNED = range(2, 9)
SWAPPED = range(5, 9)  # Those that swap height and width.


class Header:
    """What an image file says before its pixels are decoded.

    Attributes:
      image: Pillow's image, not yet loaded.
    """

    def __init__(self, image: ImageFile.ImageFile) -> None:
        self.image = image

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits a channel; to be asked before it is decoded."""
        # Pillow opens RGB of 16 bits as of 8, which only the decoder's arguments tell.
        return self.image.mode[0] in "IF" or any(
            ";16" in str(tile) for tile in getattr(self.image, "tile", ())
        )

    @property
    def holds_several(self) -> bool:
        """Whether the file holds several images: an animation, pages, or a camera's views."""
        return bool(getattr(self.image, "is_animated", False))

    @property
    def orientation(self) -> int:
        """EXIF's orientation, as far as it stands before the pixels; 1: upright."""
        # PNG's own `getexif` decodes the image to find it.
        return _orientation(Image.Image.getexif(self.image))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels when it is upright."""
        width, height = self.image.size
        return (width, height) if self.orientation in SWAPPED else (height, width)


@contextlib.contextmanager
def opened(
    file: str | PathLike[str] | io.BytesIO, formats: Sequence[str] = FORMATS
) -> Iterator[Header]:
    """Opens an image file; whatever Pillow raises or warns of is passed on.

    Args:
      file: a path, or a file's content.
      formats: Pillow's names of the formats that it may have.
    """
    known = tuple(name for name in formats if name in _formats())
    with Image.open(file, formats=known) as image:
        yield Header(image)


def upright(image: Image.Image) -> tuple[Image.Image, int]:
    """Decodes an image and turns it upright; with the orientation that it had in the file."""
    image.load()
    orientation = _orientation(image.getexif())
    if orientation in TURNED:
        return ImageOps.exif_transpose(image), orientation
    return image, orientation


def _orientation(exif: Image.Exif) -> int:
    value = exif.get(ExifTags.Base.Orientation, 1)
    return value if value in TURNED else 1


@functools.cache
def _formats() -> frozenset[str]:
    """The formats that this build of Pillow decodes."""
    Image.init()
    return frozenset(Image.OPEN)
