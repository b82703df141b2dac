"""Figures of runs as a picture: every bar is a standard error of the right figure."""

import io

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.evaluation.results import pairs, plot, saved
from tests import evaluation_files


@pytest.fixture
def two(tmp_path):
    """Two comparable runs that share most of their noise."""
    found = []
    for seed, name in enumerate("ab"):
        values = evaluation_files.halves(seed, shared=5.0, offset=seed)
        found += saved.read(evaluation_files.run(tmp_path / name, values))
    return found


def test_the_bars_are_the_standard_errors(two):
    left, right = plot.draw([two]).axes
    a, b = two
    d = pairs.difference(b, a)
    for axes, drawn in (
        (left, [(0, a), (1, b)]),
        (right, [(1, d)]),
    ):
        bars = [c.get_segments()[0] for c in axes.collections]
        expected = [
            [[found.bits_per_dim - error, row], [found.bits_per_dim + error, row]]
            for row, found in drawn
            for error in (found.stderr_images, found.stderr)
        ]
        np.testing.assert_allclose(bars, expected)
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    assert labels == ["s.e. over images", "s.e. over draws"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b"]
    assert right.get_xlabel() == "difference to a"
    of_points = [result._replace(density={}) for result in two]
    legend = plot.draw([of_points]).axes[0].get_legend()
    assert legend.get_texts()[0].get_text() == "s.e. over points"


def test_what_is_not_known_is_not_drawn(two):
    a, b = two
    left, right = plot.draw([[a, b._replace(bits_per_dim=None)]]).axes
    assert len(left.collections) == 2
    left, right = plot.draw([[a._replace(stderr=None), b]]).axes
    assert len(left.collections) == 3
    # Without its images there is no difference.
    left, right = plot.draw([[a, b._replace(images=None)]]).axes
    assert len(left.collections) == 4 and len(right.collections) == 0


def test_a_figure_far_from_the_others_does_not_hide_their_differences(two, tmp_path):
    assert [axes.get_xscale() for axes in plot.draw([two]).axes] == ["linear"] * 2
    values = 1000 * evaluation_files.halves(5)
    far = saved.read(evaluation_files.run(tmp_path / "far", values))
    scales = [axes.get_xscale() for axes in plot.draw([two + far]).axes]
    assert scales == ["log", "symlog"]


def test_each_kind_has_a_row_of_panels_under_its_name(two, tmp_path):
    values = evaluation_files.halves(3)
    other = saved.read(evaluation_files.run(tmp_path / "c", values, x_hat="clipped"))
    groups = pairs.groups(two + other)
    axes = plot.draw(groups).axes
    assert len(axes) == 4
    titles = [axes[i].get_title(loc="left").replace("\n", " ") for i in (0, 2)]
    for title, x_hat in zip(titles, ("not clipped", "clipped"), strict=True):
        assert title == f"variational upper bound, stratified, digits, x_hat {x_hat}"
    # One run alone has nobody to differ from.
    assert not axes[3].axison and axes[1].axison
    picture = Image.open(io.BytesIO(plot.png(groups)))
    assert picture.format == "PNG" and picture.width == 1100
    assert len(picture.convert("L").getcolors()) > 10
