"""Distributions that a config can name: where they are, and what their options may be."""

import math

import numpy as np
import pytest

from ddpm_jax.data import point_distributions, point_shapes
from ddpm_jax.data.point_shapes import DISTRIBUTIONS, PointsOptions

MIXED = PointsOptions(means=(0.0, 1.0, 2.0, 3.0), dimensions=2, stds=(0.5,))
ALL = {name: MIXED if name == "mixture" else PointsOptions() for name in DISTRIBUTIONS}


def points_of(name, num=4000):
    made = DISTRIBUTIONS[name].of(ALL[name])
    return point_distributions.draw(made, 0, point_distributions.FRESH, num)


def test_two_peaks_have_a_variance_of_a_half():
    peaks = point_shapes.two_peaks()
    x = np.array([[-2.0], [0.0], [3.0]])
    want = np.log(
        (np.exp(-((x + 2.0) ** 2)) + np.exp(-((x - 2.0) ** 2)))
        / (2 * math.sqrt(math.pi))
    )
    np.testing.assert_allclose(peaks.log_density(x), want[:, 0], rtol=1e-12)


def test_rings_are_at_their_radius_and_every_ring_is_as_likely():
    points, labels = points_of("rings")
    radius = np.hypot(*points.T)
    for group in range(3):
        own = radius[labels == group] - (group + 1.0)
        assert abs(own.mean()) < 0.02 and abs(own.std() - 0.1) < 0.01
        assert abs(len(own) / 4000 - 1 / 3) < 0.04


def test_moons_are_one_turned_around():
    moons = point_shapes.moons()
    x = np.random.default_rng(0).normal(size=(20, 2))
    np.testing.assert_allclose(moons.log_density(x), moons.log_density(-x), rtol=1e-9)
    upper = moons.means[moons.groups == 0]
    assert upper[:, 1].min() > -0.5 and np.ptp(upper[:, 0]) == pytest.approx(
        4.0, abs=0.1
    )


def test_spirals_arms_are_one_apart_along_a_ray():
    arm = point_shapes.spirals(0.05).means
    on_ray = arm[(abs(arm[:, 1]) < 0.02) & (arm[:, 0] > 0.0), 0]
    ends = sorted({round(float(x)) for x in on_ray})
    assert ends == [1, 2, 3]


def test_the_checkerboard_has_every_other_square():
    board = point_shapes.checkerboard()
    centres = np.array([(i - 1.5, j - 1.5) for i in range(4) for j in range(4)])
    taken = np.isfinite(board.log_density(centres)).reshape(4, 4)
    np.testing.assert_array_equal(taken, np.indices((4, 4)).sum(axis=0) % 2 == 1)
    # Edges belong to it: a number of 32 bits may be one.
    for point in ([-0.5, 0.5], [0.0, 0.5], [-0.3, 1.0]):
        assert board.log_density(np.array([point]))[0] == -math.log(8.0)
    outside = np.array([[0.001, 0.5], [2.001, 1.5]])
    assert np.all(board.log_density(outside) == -np.inf)


@pytest.mark.parametrize("name", ["rings", "moons", "spirals"])
def test_components_are_even_and_close_along_their_curve(name):
    made = DISTRIBUTIONS[name].of(ALL[name])
    steps = np.linalg.norm(np.diff(made.means, axis=0), axis=1)
    for group in range(made.num_groups):
        own = steps[(made.groups[1:] == group) & (made.groups[:-1] == group)]
        assert 0.4 * made.stds[0] < own.min() and own.max() <= 0.5 * made.stds[0] + 1e-9
        share = made.weights[made.groups == group].sum()
        assert share == pytest.approx(1.0 / made.num_groups)


def test_along_a_curve_no_ripple_is_left():
    """Along a ring the density is that of any other place on it."""
    rings = point_shapes.rings()
    angle = np.linspace(0.0, 2.0 * math.pi, 997)
    on_ring = 2.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert np.ptp(rings.log_density(on_ring)) < 1e-5


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_groups_are_numbered_from_0(name):
    made = DISTRIBUTIONS[name].of(ALL[name])
    _, labels = points_of(name)
    assert set(labels) == set(range(made.num_groups))
    assert made.dimensions in (1, 2)


def test_the_spread_is_the_options():
    wide = DISTRIBUTIONS["rings"].of(PointsOptions(spread=0.3))
    assert set(wide.stds) == {0.3}
    assert DISTRIBUTIONS["rings"].description(PointsOptions(spread=0.3)) == "spread 0.3"
    usual = DISTRIBUTIONS["rings"].of(PointsOptions())
    assert set(usual.stds) == {0.1}
    assert DISTRIBUTIONS["rings"].description(PointsOptions()) == "spread 0.1"


def test_the_mixture_is_the_options():
    options = PointsOptions(
        means=(0.0, 1.0, 2.0, 3.0), dimensions=2, stds=(0.5, 1.0), weights=(1, 3)
    )
    made = DISTRIBUTIONS["mixture"].of(options)
    np.testing.assert_array_equal(made.means, [[0.0, 1.0], [2.0, 3.0]])
    np.testing.assert_array_equal(made.stds, [0.5, 1.0])
    np.testing.assert_array_equal(made.weights, [0.25, 0.75])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            dict(means=(1.0, 2.0, 3.0), dimensions=2),
            "means = .* no multiple of dimensions",
        ),
        (dict(means=(1.0, 2.0), stds=(1.0, 2.0, 3.0)), "stds = .*: write 2 numbers"),
        (dict(means=(1.0, 2.0), weights=(1.0,)), "weights = .*: write 2 numbers"),
        (dict(stds=()), r"stds = \(\): write one"),
        (dict(stds=(0.0,)), "stds = .*: write a number in"),
        (dict(spread=0.001), "spread = 0.001: write 0.01 or more"),
        (dict(num_train=10**9), "num_train = 1000000000: "),
        (dict(seed=-1), "seed = -1: write a whole number"),
    ],
)
def test_options_that_do_not_fit_are_told(options, said):
    with pytest.raises(ValueError, match=said):
        PointsOptions(**options)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("two_peaks", dict(spread=0.2), "spread = 0.2 says nothing of"),
        ("rings", dict(stds=(0.2,)), "stds = .* says nothing of"),
        ("checkerboard", dict(dimensions=3), "dimensions = 3 says nothing of"),
        ("mixture", dict(), r"means = \(\): write the means"),
        ("mixture", dict(means=(1.0,), spread=0.5), "spread = 0.5 says nothing of"),
    ],
)
def test_an_option_that_says_nothing_of_a_distribution_is_told(name, options, said):
    with pytest.raises(ValueError, match=said):
        DISTRIBUTIONS[name].of(PointsOptions(**options))
