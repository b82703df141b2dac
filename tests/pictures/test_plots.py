"""What is drawn, asked of the figure; and that pixels come of it."""

import numpy as np
import pytest
from matplotlib import colors

from ddpm_jax.pictures import canvas, plots

SCALE = np.array([0.0, 1.0, 1.5, 4.0])


def estimates(*mean, stderr):
    return plots.Estimates(np.array(mean), np.full(len(mean), stderr))


SHARES = {
    "accuracy": estimates(0.7, 0.9, 0.95, 1.0, stderr=0.01),
    "recall": estimates(0.9, 0.8, 0.7, 0.3, stderr=0.03),
}
DISTANCE = estimates(9.0, 4.0, 5.0, 20.0, stderr=0.5)


@pytest.fixture
def figures(monkeypatch):
    """Those that pixels were asked of."""
    kept = []
    pixels = canvas.pixels

    def keep(figure):
        kept.append(figure)
        return pixels(figure)

    monkeypatch.setattr(canvas, "pixels", keep)
    return kept


def bars_of(container):
    """x, mean, and both ends of each bar, as they are drawn."""
    line, _, (bars,) = container
    ends = np.array(bars.get_segments())
    np.testing.assert_array_equal(ends[:, 0, 0], ends[:, 1, 0])
    return *line.get_data(), ends[:, 0, 1], ends[:, 1, 1]


def test_the_trade_off_has_shares_above_and_distance_below(figures):
    picture = plots.trade_off(SCALE, SHARES, DISTANCE)
    upper, lower = figures[0].axes
    assert [c.get_label() for c in upper.containers] == ["accuracy", "recall"]
    assert [t.get_text() for t in upper.get_legend().get_texts()] == [*SHARES]
    drawn = [(upper.containers[i], s) for i, s in enumerate(SHARES.values())]
    for container, given in [*drawn, (lower.containers[0], DISTANCE)]:
        x, mean, low, high = bars_of(container)
        np.testing.assert_array_equal(x, SCALE)
        np.testing.assert_array_equal(mean, given.mean)
        np.testing.assert_allclose(high - mean, 2 * given.stderr)
        np.testing.assert_allclose(mean - low, 2 * given.stderr)
    assert len(lower.containers) == 1
    assert lower.get_xlabel() == "guidance scale"
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("share", "Frechet distance")
    # No colour means two things, and points above each other share their scale.
    lines = [container[0] for axes in (upper, lower) for container in axes.containers]
    assert len({colors.to_hex(line.get_color()) for line in lines}) == 3
    assert upper.get_xlim() == lower.get_xlim()
    assert picture.shape == (704, 704, 3)
    assert np.all(picture[[0, -1]] == 255) and picture.min() < 50


def test_shares_are_shown_from_0_to_1_and_distance_from_0(figures):
    none = estimates(0.4, 0.4, 0.4, 0.4, stderr=0.0)
    plots.trade_off(SCALE, {"recall": none}, DISTANCE)
    upper, lower = figures[0].axes
    low, high = upper.get_ylim()
    assert -0.1 < low < 0 and 1 < high < 1.1
    assert lower.get_ylim()[0] == 0.0 and lower.get_ylim()[1] > 21.0


def test_one_repeat_is_drawn_without_bars(figures):
    alone = estimates(0.7, 0.9, 0.95, 1.0, stderr=np.nan)
    without = plots.trade_off(SCALE, {"accuracy": alone}, alone)
    line, *_ = figures[0].axes[0].containers[0]
    np.testing.assert_array_equal(line.get_ydata(), alone.mean)
    known = estimates(0.7, 0.9, 0.95, 1.0, stderr=0.1)
    with_bars = plots.trade_off(SCALE, {"accuracy": known}, known)
    assert np.count_nonzero(without < 255) < np.count_nonzero(with_bars < 255)
