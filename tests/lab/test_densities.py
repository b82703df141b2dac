"""Densities on a grid: normalised, with the moments and entropies of closed forms."""

import math

import numpy as np
import pytest
import scipy.stats

from ddpm_jax.lab import densities
from ddpm_jax.lab.densities import Density, Grid
from tests.lab.known import GRID, ROUGH, SMOOTH


def test_a_gaussian_has_its_moments_and_its_entropy():
    q = densities.gaussian_mixture(GRID, [0.5], [0.7])
    assert q.masses.sum() == pytest.approx(1.0, abs=1e-15)
    assert q.mean == pytest.approx(0.5, abs=1e-12)
    assert q.variance == pytest.approx(0.49, abs=1e-12)
    normal = scipy.stats.norm(0.5, 0.7)
    assert q.moment(3) == pytest.approx(normal.moment(3), abs=1e-10)
    assert q.entropy == pytest.approx(normal.entropy(), abs=1e-10)
    np.testing.assert_allclose(q.values, normal.pdf(GRID.points), atol=1e-12)
    np.testing.assert_allclose(q.cdf, normal.cdf(GRID.points), atol=1e-4)


def test_a_mixture_has_its_moments():
    mean = 0.6 * -0.9 + 0.4 * 0.8
    second = 0.6 * (0.9**2 + 0.4**2) + 0.4 * (0.8**2 + 0.3**2)
    assert SMOOTH.mean == pytest.approx(mean, abs=1e-12)
    assert SMOOTH.variance == pytest.approx(second - mean**2, abs=1e-12)


def test_uniform_pieces_have_the_weights_of_their_pieces():
    fine = Grid(-6.0, 6.0, 6001)
    q = densities.uniform_pieces(fine, [-2.5, -1.0, 1.0, 1.5], [1.0, 0.0, 3.0])
    x = fine.points
    assert q.masses[x < 0.0].sum() == pytest.approx(0.25, abs=0.01)
    assert q.masses[(x > -0.99) & (x < 0.99)].sum() == 0.0
    assert q.entropy == pytest.approx(
        -0.25 * math.log(0.25 / 1.5) - 0.75 * math.log(0.75 / 0.5), abs=0.01
    )


def test_a_rough_density_is_one_function_of_its_seed_on_any_grid():
    fine = Grid(-6.0, 6.0, 801)
    again = densities.rough(fine, 3, num_peaks=6, widths=(0.04, 0.12))
    np.testing.assert_allclose(again.values[::2], ROUGH.values, atol=1e-9)
    other = densities.rough(GRID, 4, num_peaks=6, widths=(0.04, 0.12))
    assert np.abs(other.masses - ROUGH.masses).sum() > 0.1


def test_samples_have_the_density():
    drawn = SMOOTH.sample(np.random.default_rng(0), 20_000)

    def cdf(x):
        return 0.6 * scipy.stats.norm.cdf(x, -0.9, 0.4) + 0.4 * scipy.stats.norm.cdf(
            x, 0.8, 0.3
        )

    # False alarms: one in a thousand seeds.
    assert scipy.stats.kstest(drawn, cdf).pvalue > 1e-3


def test_a_kernel_estimate_is_the_mean_of_kernels_at_the_samples():
    samples = np.array([-1.0, 0.25, 0.3, 2.0])
    fine = Grid(-6.0, 6.0, 2401)
    q = densities.from_samples(fine, samples, bandwidth=0.5)
    expected = np.mean(
        [scipy.stats.norm.pdf(fine.points, x, 0.5) for x in samples], axis=0
    )
    np.testing.assert_allclose(q.values, expected, atol=2e-4)


def test_a_kernel_estimate_of_many_samples_nears_the_density():
    drawn = SMOOTH.sample(np.random.default_rng(1), 20_000)
    q = densities.from_samples(GRID, drawn)
    assert np.abs(q.masses - SMOOTH.masses).sum() < 0.06


def test_silvermans_bandwidth():
    generator = np.random.default_rng(2)
    samples = generator.normal(0.0, 1.0, 500)
    first, third = np.percentile(samples, [25, 75])
    bandwidth = 0.9 * min(samples.std(), (third - first) / 1.34) * 500**-0.2
    np.testing.assert_allclose(
        densities.from_samples(GRID, samples).masses,
        densities.from_samples(GRID, samples, bandwidth).masses,
        atol=1e-15,
    )


def test_logs_and_values_make_the_same_density():
    logs = -0.5 * np.square(GRID.points) + 1000.0
    np.testing.assert_allclose(
        densities.of_logs(GRID, logs).masses,
        densities.standard_normal(GRID).masses,
        atol=1e-15,
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Grid(1.0, 1.0), r"low = 1.0, high = 1.0: write finite"),
        (lambda: Grid(num=2), r"num = 2: write 3 points or more"),
        (lambda: Density(GRID, np.ones(401)), r"sum 401 and least 1: they must be"),
        (lambda: Density(GRID, np.ones(3) / 3.0), r"of shape \(3,\)"),
        (
            lambda: densities.of_values(GRID, -GRID.points),
            r"values from -6 to 6: a density's are",
        ),
        (
            lambda: densities.of_values(GRID, np.zeros(401)),
            r"values from 0 to 0: .* not all 0",
        ),
        (
            lambda: densities.gaussian_mixture(GRID, [0.0], [1.0, 2.0]),
            r"1 means, 2 stds, 1 weights: write as many",
        ),
        (
            lambda: densities.gaussian_mixture(GRID, [0.0], [0.001]),
            r"0.001 is below the grid's spacing 0.03",
        ),
        (
            lambda: densities.uniform_pieces(GRID, [0.0, -1.0], [1.0]),
            r"edges = \(0.0, -1.0\) for 1 weights: write increasing",
        ),
        (
            lambda: densities.from_samples(GRID, np.array([0.0, np.nan])),
            r"2 samples: write finite numbers",
        ),
        (
            lambda: densities.from_samples(GRID, np.array([1.0])),
            r"there is only one sample: write two or more",
        ),
        (
            lambda: densities.from_samples(GRID, np.array([1.0, 1.0])),
            r"2 samples: .* not all of them alike",
        ),
        (
            lambda: densities.from_samples(GRID, np.array([0.0, 100.0])),
            r"1 of 2 samples lie beyond the grid, which is from -6 to 6",
        ),
        (
            lambda: densities.from_samples(GRID, np.array([0.0, 1.0]), 0.0),
            r"bandwidth = 0.0: write a number above 0",
        ),
    ],
)
def test_what_is_no_density_is_said_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
