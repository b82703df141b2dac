"""What is drawn of points, asked of the figure: bars, dots, the truth, and equal axes."""

import math

import numpy as np
import pytest

from ddpm_jax.pictures import canvas, points


@pytest.fixture
def figures(monkeypatch):
    """Those that pixels were asked of, which are not drawn."""
    kept = []

    def keep(figure):
        kept.append(figure)
        return np.zeros((4, 6, 3), np.uint8)

    monkeypatch.setattr(canvas, "pixels", keep)
    return kept


def images(values):
    """Points, given as rows, as images of one pixel."""
    return np.asarray(values, np.float32)[..., None, None, :]


def normal(num, dimensions, seed=0):
    return np.random.default_rng(seed).normal(size=(num, dimensions))


def truth(dimensions):
    """The standard normal distribution."""

    def log_density(x):
        return -0.5 * (np.square(x).sum(1) + dimensions * math.log(2.0 * math.pi))

    return points.Truth(log_density, normal(500, dimensions, seed=9))


def bars_of(axes):
    """Height of each bar above the one below it, and the edges, of each histogram."""
    found = [patch.get_data() for patch in axes.patches]
    return [(stairs.values - stairs.baseline, stairs.edges) for stairs in found]


def dots_of(axes):
    return [np.asarray(dots.get_offsets()) for dots in axes.collections]


def test_on_a_line_bars_are_a_density_under_the_truths_curve(figures):
    values = normal(3_000, 1)
    points.PointPlots(truth(1)).grid(images(values))
    (axes,) = figures[0].axes
    ((heights, edges),) = bars_of(axes)
    inside = (values >= edges[0]) & (values <= edges[-1])
    np.testing.assert_allclose(np.sum(heights * np.diff(edges)), inside.mean())
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(y, np.exp(-0.5 * x**2) / math.sqrt(2.0 * math.pi))
    assert axes.get_xlim() == (x[0], x[-1]) and axes.get_ylim()[1] >= y.max()
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["samples", "truth"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "density")


def test_in_the_plane_every_point_is_a_dot_over_the_truths_density(figures):
    values = normal(200, 2)
    wide = truth(2)._replace(
        log_density=lambda x: -0.5 * x[:, 0] ** 2 - np.abs(x[:, 1])
    )
    points.PointPlots(wide).grid(images(values))
    (axes,) = figures[0].axes
    (dots,) = dots_of(axes)
    kept = np.isin(values.astype(np.float32), dots.astype(np.float32)).all(axis=1)
    assert len(dots) == kept.sum() >= 190
    (density,) = axes.images
    left, right, bottom, top = density.get_extent()
    assert ((left, right), (bottom, top)) == (axes.get_xlim(), axes.get_ylim())
    array = density.get_array()
    # x_1 goes to the right and x_2 up: at a corner it is what it is there.
    expected = math.exp(-0.5 * right**2 - abs(bottom))
    np.testing.assert_allclose(array[0, -1], expected)
    assert axes.get_aspect() == 1.0


def test_of_more_coordinates_the_first_two_are_shown_without_a_truth(figures):
    values = np.concatenate([normal(50, 2), 100.0 * normal(50, 3, seed=1)], axis=1)
    points.PointPlots(truth(5)).grid(images(values))
    (axes,) = figures[0].axes
    (dots,) = dots_of(axes)
    assert len(dots) >= 46 and np.abs(dots).max() < 5.0 and len(axes.images) == 0


def test_classes_in_turn_have_colours(figures):
    values = np.arange(30.0)[:, None]
    points.PointPlots().grid(images(values), 3)
    (axes,) = figures[0].axes
    shares = [heights for heights, _ in bars_of(axes)]
    assert len(shares) == 3
    assert len({patch.get_facecolor() for patch in axes.patches}) == 3
    # Of 0, 3, 6 ... the first is lowest; the third, of 2, 5, 8 ..., is not there.
    assert shares[1][0] == shares[2][0] == 0.0
    points.PointPlots().grid(images(np.stack([values[:, 0]] * 2, 1)), 3)
    of_classes = [dots[:, 0] for dots in dots_of(figures[1].axes[0])]
    np.testing.assert_array_equal(of_classes[1], [*range(1, 30, 3)])


def test_what_lies_far_outside_is_counted_and_hides_nothing(figures):
    values = np.concatenate([normal(1_000, 1), [[1e6], [-1e6]]])
    points.PointPlots(truth(1)).grid(images(values))
    (axes,) = figures[0].axes
    low, high = axes.get_xlim()
    assert -6.0 < low < -2.0 and 2.0 < high < 6.0
    outside = int(np.sum((values < low) | (values > high)))
    assert outside >= 2 and [t.get_text() for t in axes.texts] == [f"{outside} beyond"]
    ((heights, edges),) = bars_of(axes)
    share = np.sum(heights * np.diff(edges))
    np.testing.assert_allclose(share, 1.0 - outside / len(values))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("dimensions", [1, 2])
def test_points_in_one_place_or_nowhere_are_a_picture(dimensions, value):
    values = np.full((20, dimensions), value)
    for plots in (points.PointPlots(), points.PointPlots(truth(dimensions))):
        assert plots.grid(images(values)).shape[2] == 3


def test_a_strip_has_estimates_above_latents_and_at_most_eight_frames(figures):
    z = images(normal(33, 11).T[..., None])
    points.PointPlots().strip(z + 10.0, z)
    assert z.shape == (11, 33, 1, 1, 1)
    panels = np.array(figures[0].axes).reshape(2, -1)
    headings = [axes.get_title() for axes in panels[0]]
    frames = [1, 2, 4, 5, 7, 8, 10, 11]
    assert headings == [f"frame {number}" for number in frames]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["$\\hat{x}$", "$z_t$"]
    for column, number in enumerate(frames):
        for row, part in enumerate((z[number - 1] + 10.0, z[number - 1])):
            ((heights, edges),) = bars_of(panels[row, column])
            expected, _ = np.histogram(part, edges)
            np.testing.assert_allclose(heights * 33 * np.diff(edges), expected)
    points.PointPlots().strip(z[:3], z[:3])
    assert len(figures[1].axes) == 6


@pytest.mark.parametrize("dimensions", [1, 2])
def test_an_animations_frames_have_equal_axes_and_latents_on_the_left(
    figures, dimensions
):
    z = images(normal(3 * 40, dimensions).reshape(3, 40, dimensions))
    frames = points.PointPlots(truth(dimensions)).frames(0.5 * z, z)
    assert len(frames) == len(figures) == 3
    limits = set()
    for figure in figures:
        left, right = figure.axes
        assert (left.get_title("left"), right.get_title("left")) == (
            "$z_t$",
            "$\\hat{x}$",
        )
        limits |= {(a.get_xlim(), a.get_ylim()) for a in (left, right)}
    assert len(limits) == 1


def test_a_table_has_a_row_for_each_name_and_a_dash_for_no_points(figures):
    cells = {
        "ancestral": [images(normal(40, 1)), None],
        "ddim": [images(normal(40, 1, seed=1)), images(normal(80, 1, seed=2))],
    }
    points.PointPlots(truth(1)).comparison(cells, ["5 steps", "10 steps"])
    panels = np.array(figures[0].axes).reshape(2, 2)
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["ancestral", "ddim"]
    assert [a.get_title() for a in panels[0]] == ["5 steps", "10 steps"]
    assert [t.get_text() for t in panels[0, 1].texts] == ["-"]
    assert len(panels[0, 1].patches) == len(panels[0, 1].lines) == 0
    shown = [panels[0, 0], panels[1, 0], panels[1, 1]]
    assert all(len(axes.patches) == len(axes.lines) == 1 for axes in shown)
    assert len({(a.get_xlim(), a.get_ylim()) for a in shown}) == 1


def test_a_spike_is_cut_where_it_would_flatten_the_truth(figures):
    values = np.concatenate([np.zeros((900, 1)), normal(100, 1)])
    points.PointPlots(truth(1)).grid(images(values))
    top = figures[0].axes[0].get_ylim()[1]
    assert top == pytest.approx(
        1.05 * points.MOST_HEIGHT / math.sqrt(2.0 * math.pi), rel=1e-3
    )
