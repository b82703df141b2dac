import numpy as np
import pytest

from ddpm_jax.pictures import grids


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_a_grid_shows_each_image_in_its_place():
    images = (
        np.full((5, 8, 8, 3), 10, np.uint8)
        * np.arange(1, 6, dtype=np.uint8)[:, None, None, None]
    )
    grid = grids.grid(images)
    scale = grid.shape[0] // (2 * 9 + 1)
    assert grid.shape == (19 * scale, 28 * scale, 3)
    for i in range(5):
        row, column = divmod(i, 3)
        middle = grid[int((row * 9 + 5) * scale), int((column * 9 + 5) * scale)]
        np.testing.assert_array_equal(middle, 10 * (i + 1))
    np.testing.assert_array_equal(grid[int(14 * scale), int(23 * scale)], 255)


@pytest.mark.parametrize(
    "num, period, rows, columns",
    [
        (60, 10, 6, 10),  # A column each, though a square is narrower.
        (25, 2, 7, 4),  # Two columns each: as near to a square as can be.
        (64, 9, 8, 9),
        (64, 1, 8, 8),
        (10, 10, 1, 10),
        (9, 10, 3, 3),  # None comes twice.
    ],
)
def test_images_of_a_class_share_their_columns(num, period, rows, columns):
    images = np.zeros((num, 8, 8, 1), np.uint8)
    images += (np.arange(num, dtype=np.uint8) % period + 1)[:, None, None, None]
    grid = grids.grid(images, period)
    scale = 640 // (columns * 9 + 1)
    assert grid.shape == ((rows * 9 + 1) * scale, (columns * 9 + 1) * scale, 1)
    middles = grid[5 * scale :: 9 * scale, 5 * scale :: 9 * scale, 0]
    flat = middles.reshape(-1)
    np.testing.assert_array_equal(flat[:num], images[:, 0, 0, 0])
    np.testing.assert_array_equal(flat[num:], 255)
    if num >= period:
        for number, column in enumerate(middles.T):
            assert set(column) <= {number % period + 1, 255}


@pytest.mark.parametrize("channels", [1, 3])
def test_a_strip_has_two_rows_an_image_and_a_column_a_frame(channels):
    num_frames, batch, height, width = 6, 3, 8, 10
    x = random_images(num_frames, batch, height, width, channels)
    z = random_images(num_frames, batch, height, width, channels, seed=1)
    strip = grids.strip(x, z)
    scale = 640 // (num_frames * 11 + 1)
    assert strip.shape == ((6 * 9 + 1) * scale, (6 * 11 + 1) * scale, channels)
    small = strip[::scale, ::scale]
    np.testing.assert_array_equal(small.repeat(scale, 0).repeat(scale, 1), strip)
    for frame in range(num_frames):
        for image in range(batch):
            left = 1 + frame * 11
            for row, shown in ((2 * image, x), (2 * image + 1, z)):
                top = 1 + row * 9
                found = small[top : top + height, left : left + width]
                np.testing.assert_array_equal(found, shown[frame, image])
    np.testing.assert_array_equal(small[::9], 255)
    np.testing.assert_array_equal(small[:, ::11], 255)


def marked(code, *shape, seed=0):
    """Colour images whose red and blue tell where they are; no text has such pixels."""
    images = random_images(*shape, 3, seed=seed)
    images[..., 0], images[..., 2] = code, 0
    return images


def place_of(sheet, code):
    """(top, bottom, left, right) of the images of a code."""
    ys, xs = np.nonzero((sheet[..., 0] == code) & (sheet[..., 2] == 0))
    return ys.min(), ys.max() + 1, xs.min(), xs.max() + 1


def ink(region):
    return np.nonzero(np.all(region < 128, axis=-1))


def test_a_comparison_has_a_row_a_sampler_and_a_column_a_number_of_steps():
    cells = {
        name: [marked(100 + 10 * i + j, 3, 8, 8, seed=10 * i + j) for j in range(3)]
        for i, name in enumerate(("ddim", "heun"))
    }
    sheet = grids.comparison(cells, ["5", "10", "20"])
    assert 900 <= sheet.shape[1] <= 1000
    where = np.array(
        [[place_of(sheet, 100 + 10 * i + j) for j in range(3)] for i in (0, 1)]
    )
    # Three images in a square of four, a gap between them.
    scale = (where[0, 0, 1] - where[0, 0, 0]) // 17
    assert scale > 10
    for i, row in enumerate(cells.values()):
        for j, images in enumerate(row):
            top, bottom, left, right = where[i, j]
            assert (bottom - top, right - left) == (17 * scale, 17 * scale)
            square = np.full((17, 17, 3), 255, np.uint8)
            square[:8, :8], square[:8, 9:], square[9:, :8] = images
            large = square.repeat(scale, axis=0).repeat(scale, axis=1)
            found = sheet[top:bottom, left:right]
            # Images as they are; in the gap around each, a line and else nothing.
            line = found != large
            np.testing.assert_array_equal(found[line], 176)
            np.testing.assert_array_equal(large[line], 255)
            assert np.count_nonzero(line[..., 0]) == 3 * (2 * 8 * scale + 1)
    # Rows are level, columns upright, in their order and evenly apart.
    np.testing.assert_array_equal(where[:, :, 0], where[:, :1, 0].repeat(3, axis=1))
    np.testing.assert_array_equal(where[:, :, 2], where[:1, :, 2].repeat(2, axis=0))
    assert where[1, 0, 0] > where[0, 0, 1]
    first, second = np.diff(where[0, :, 2])
    assert first == second > 17 * scale


def test_a_comparison_of_greys_is_that_of_the_same_colours():
    grey = random_images(4, 8, 8, 1)
    np.testing.assert_array_equal(
        grids.comparison({"ddim": [grey]}, ["5"]),
        grids.comparison({"ddim": [grey.repeat(3, axis=-1)]}, ["5"]),
    )


def test_a_cell_without_images_has_a_dash_in_its_middle():
    cells = {"ddim": [marked(100, 4, 8, 8), marked(101, 4, 8, 8)]}
    cells["heun"] = [None, marked(102, 4, 8, 8)]
    sheet = grids.comparison(cells, ["5", "10"])
    top, bottom, *_ = place_of(sheet, 102)
    *_, left, right = place_of(sheet, 100)
    ys, xs = ink(sheet[top:bottom, left:right])
    assert 0 < len(ys) < 100
    assert np.all(np.abs(ys - (bottom - top) / 2) < 10)
    assert np.all(np.abs(xs - (right - left) / 2) < 10)


def test_a_comparison_names_its_rows_and_columns():
    cells = {"ancestral, 9 steps": [marked(100, 4, 8, 8), marked(101, 4, 8, 8)]}
    cells["b"] = [marked(102, 4, 8, 8), marked(103, 4, 8, 8)]
    sheet = grids.comparison(cells, ["i", "many steps"])
    places = [place_of(sheet, code) for code in range(100, 104)]
    beside = [ink(sheet[top:bottom, :left]) for top, bottom, left, _ in places[::2]]
    above = [ink(sheet[:top, left:right]) for top, _, left, right in places[:2]]
    assert len(beside[0][0]) > 5 * len(beside[1][0]) > 0
    assert len(above[1][0]) > 5 * len(above[0][0]) > 0
    # Nothing of a name is cut off, nor runs into the images.
    assert beside[0][1].min() > 4 and beside[0][1].max() < places[0][2] - 4


def test_large_images_and_long_names_are_shown_whole():
    cells = {"a": [marked(100, 1, 300, 600), marked(101, 1, 300, 600, seed=1)]}
    sheet = grids.comparison(cells, ["10", "20"])
    for code, (image,) in zip((100, 101), cells["a"], strict=True):
        top, bottom, left, right = place_of(sheet, code)
        np.testing.assert_array_equal(sheet[top:bottom, left:right], image)
    long = grids.comparison(cells, ["10", "steps " * 50 + "!"])
    top, *_ = place_of(long, 101)
    _, xs = ink(long[:top])
    assert long.shape[1] > sheet.shape[1] and xs.max() < long.shape[1] - 4


def test_an_edit_shows_what_was_painted_beside_all_its_results():
    before, after = marked(100, 1, 8, 8), marked(101, 16, 8, 8)
    mask = np.full((1, 8, 8, 1), 255, np.uint8)
    sheet = grids.comparison(
        {"inpainting": [before, mask, after], "again": [before, None, before]},
        ["before", "mask", "after"],
    )
    top, bottom, left, right = place_of(sheet, 101)
    scale = (right - left) // 35
    assert (bottom - top, right - left) == (35 * scale, 35 * scale)
    # The results take most of the width, and a row no more height than it needs.
    assert right - left > 450
    assert bottom - top > 0.6 * sheet.shape[0]
    # One image is enlarged as sixteen are, and stands in the middle of their height.
    first = np.argwhere(sheet[:bottom, :, 0] == 100)
    assert tuple(np.ptp(first, axis=0) + 1) == (8 * scale, 8 * scale)
    assert abs(first[:, 0].mean() - (top + bottom - 1) / 2) < 1
    # Of a white mask the outline is seen, half way up between its neighbours.
    row = sheet[(top + bottom) // 2, first[:, 1].max() + 2 : left - 2]
    (sides,) = np.nonzero(row[:, 0] < 255)
    np.testing.assert_array_equal(row[sides], 176)
    assert len(sides) == 2 and np.diff(sides) == 8 * scale + 1


def test_columns_of_a_class_grid_are_upright_under_their_names():
    scales = ["scale 0", "scale 1.5", "scale 4"]
    cells = {
        f"class {i}": [marked(100 + 3 * i + j, 4, 32, 32) for j in range(3)]
        for i in range(4)
    }
    cells["class 3"][1] = None
    sheet = grids.comparison(cells, scales)
    for j in range(3):
        shown = range(3 if j == 1 else 4)
        places = [place_of(sheet, 100 + 3 * i + j) for i in shown]
        assert len({(left, right) for *_, left, right in places}) == 1
        top, _, left, right = places[0]
        _, xs = ink(sheet[: top - 2, left:right])
        assert abs((xs.min() + xs.max()) / 2 - (right - left) / 2) < 3
