"""Images side by side in one picture: square grids, strips and tables."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

# Small images are enlarged until a picture has about this width, in screen pixels.
GRID_WIDTH = 640
COMPARISON_WIDTH = 1000
GAP = 1  # Image pixels between two images.
MARGIN = 8  # Screen pixels around a cell or a label of a comparison.
FONT_SIZE = 16
# Grey value of the line around an image of a comparison: a mask may be white as the paper.
OUTLINE = 176

Images = UInt8[np.ndarray, "batch height width channels"]
Frames = UInt8[np.ndarray, "frames batch height width channels"]
# A picture that is being put together, [height, width, channels].
Sheet = UInt8[np.ndarray, "_ _ _"]
# A cell of a comparison: a few images, or None where there are none to show.
Cell = UInt8[np.ndarray, "_ _ _ _"] | None


def grid(
    images: Images, period: int = 1
) -> UInt8[np.ndarray, "grid_height grid_width channels"]:
    """Images side by side in about a square, row by row, enlarged where they are small.

    Args:
      images: to show.
      period: after how many images the next of the same class follows: those of a class
        share a column, or some columns. It is of no effect on fewer images than that.
    """
    columns = _columns(len(images))
    if period <= len(images):
        columns = max(1, columns // period) * period
    return _widened(_sheet(images, columns))


def strip(
    frames_of_x: Frames, frames_of_z: Frames
) -> UInt8[np.ndarray, "strip_height strip_width channels"]:
    """The trajectory from noise to each image: two rows for an image, a column for a frame.

    Args:
      frames_of_x: estimates of the images along the trajectory, in the upper rows.
      frames_of_z: latents along it, in the lower rows.
    """
    rows = np.stack([frames_of_x, frames_of_z]).transpose(2, 0, 1, 3, 4, 5)
    num_frames, *shape = rows.shape[2:]
    return _widened(_sheet(rows.reshape(-1, *shape), num_frames))


def comparison(
    cells: Mapping[str, Sequence[Cell]], column_names: Sequence[str]
) -> UInt8[np.ndarray, "sheet_height sheet_width 3"]:
    """A table of images, such as of samplers by numbers of steps.

    All images are enlarged alike, however many stand in a cell, and have a thin outline:
    a mask may be as white as the paper. A column is as wide as its widest cell needs.

    Args:
      cells: for each row's name, its images in every column, grey or colour.
      column_names: headings of the columns.
    """
    columns = list(zip(*cells.values(), strict=True))
    label_width = max(map(_text_width, cells))
    room = COMPARISON_WIDTH - label_width - 2 * MARGIN * len(columns)
    block_widths = [max(map(_block_width, column)) for column in columns]
    scale = max(1, room // sum(block_widths))
    widths = [
        max(scale * block_width + 2 * MARGIN, _text_width(name))
        for block_width, name in zip(block_widths, column_names, strict=True)
    ]

    height = FONT_SIZE + 2 * MARGIN
    header = [
        _text(name, height, width)
        for name, width in zip(column_names, widths, strict=True)
    ]
    lines = [[_text("", height, label_width), *header]]
    for name, row in cells.items():
        blocks = [_block(cell, scale) for cell in row]
        height = max(block.shape[0] for block in blocks) + 2 * MARGIN
        line = [
            _centred(block, height, width)
            for block, width in zip(blocks, widths, strict=True)
        ]
        lines.append([_text(name, height, label_width), *line])
    return np.concatenate([np.concatenate(line, axis=1) for line in lines])


def _columns(num: int) -> int:
    """The number of columns of a square that holds so many images."""
    return math.ceil(math.sqrt(num))


def _sheet(images: UInt8[np.ndarray, "_ _ _ _"], columns: int) -> Sheet:
    """A sheet of images, row by row on white."""
    num, height, width, channels = images.shape
    rows = math.ceil(num / columns)
    sheet = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels),
        255,
        np.uint8,
    )
    places = _places(num, columns, height, width)
    for image, (top, left) in zip(images, places, strict=True):
        sheet[top : top + height, left : left + width] = image
    return sheet


def _places(
    num: int, columns: int, height: int, width: int
) -> Iterator[tuple[int, int]]:
    """Yields (top, left) of each image of a sheet, in pixels."""
    for i in range(num):
        row, column = divmod(i, columns)
        yield GAP + row * (height + GAP), GAP + column * (width + GAP)


def _block(cell: Cell, scale: int) -> Sheet:
    """A comparison's cell as a picture: its images in a square, in colour, or a dash."""
    if cell is None:
        return _text("-", FONT_SIZE, FONT_SIZE)
    num, height, width, channels = cell.shape
    columns = _columns(num)
    sheet = _enlarged(_sheet(cell, columns), scale).repeat(3 // channels, axis=-1)
    # The lines lie in the gaps, which are at least as wide.
    for top, left in _places(num, columns, height, width):
        place = sheet[
            scale * top - 1 : scale * (top + height) + 1,
            scale * left - 1 : scale * (left + width) + 1,
        ]
        place[[0, -1]] = place[:, [0, -1]] = OUTLINE
    return sheet


def _block_width(cell: Cell) -> int:
    """The width of a cell's picture in pixels, before it is enlarged."""
    return 1 if cell is None else GAP + _columns(len(cell)) * (cell.shape[2] + GAP)


def _enlarged(sheet: Sheet, scale: int) -> Sheet:
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)


def _widened(sheet: Sheet) -> Sheet:
    """A sheet enlarged to about the width of a grid."""
    return _enlarged(sheet, max(1, GRID_WIDTH // sheet.shape[1]))


def _centred(sheet: Sheet, height: int, width: int) -> Sheet:
    """A sheet in the middle of a white cell."""
    cell = np.full((height, width, sheet.shape[-1]), 255, np.uint8)
    top, left = (height - sheet.shape[0]) // 2, (width - sheet.shape[1]) // 2
    cell[top : top + sheet.shape[0], left : left + sheet.shape[1]] = sheet
    return cell


def _text(text: str, height: int, width: int) -> Sheet:
    """Black text in the middle of a white cell."""
    cell = Image.new("RGB", (width, height), "white")
    middle = (width / 2, height / 2)
    ImageDraw.Draw(cell).text(middle, text, "black", _font(), anchor="mm")
    return np.array(cell)


def _text_width(text: str) -> int:
    """The width in pixels of a cell that the text fits into."""
    return math.ceil(_font().getlength(text)) + 2 * MARGIN


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=FONT_SIZE)
