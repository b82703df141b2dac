"""Contraction of the reverse step: theorems, closed forms, and rates that are measured."""

import numpy as np
import pytest

from ddpm_jax.lab import contraction, densities, divergences, operators
from ddpm_jax.lab.densities import Grid
from tests.lab.known import GRID, ROUGH, SMOOTH, gaussian

ALPHAS = (0.3, 0.6, 0.9, 0.98)
# On which the reference values of the fixed points were computed.
FINE = Grid(-8.0, 8.0, 1601)
PAIRS = [(i, i + 50) for i in range(12)]


def random_density(seed):
    return densities.rough(GRID, seed, num_peaks=8, reach=2.0, widths=(0.05, 0.4))


def random_pieces(seed):
    """A density of random uniform pieces of [-1, 1]."""
    weights = np.random.default_rng(seed).exponential(size=6).tolist()
    return densities.uniform_pieces(GRID, np.linspace(-1.0, 1.0, 7).tolist(), weights)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_no_divergence_grows_and_none_shrinks_less_than_dobrushin_says(alpha):
    kernel = operators.reverse_kernel(ROUGH, alpha)
    eta = contraction.dobrushin(kernel, -1.0, 1.0)
    assert 0.0 < eta < 1.0
    for pair in PAIRS:
        before = [random_pieces(seed) for seed in pair]
        after = [kernel.apply(density) for density in before]
        for distance in (
            divergences.js,
            divergences.kl,
            divergences.total_variation,
        ):
            assert distance(*after) <= eta * distance(*before) * (1.0 + 1e-9)


def test_dobrushins_coefficient_is_the_greatest_of_all_pairs():
    small = Grid(-3.0, 3.0, 31)
    before = densities.gaussian_mixture(small, [-0.5, 1.0], [0.4, 0.3])
    kernel = operators.reverse_kernel(before, 0.6)
    columns = kernel.matrix.T
    greatest = max(0.5 * np.abs(a - b).sum() for a in columns for b in columns)
    assert contraction.dobrushin(kernel) == pytest.approx(greatest)
    # Columns are ordered by likelihood ratio, so the outermost two differ most.
    outermost = 0.5 * np.abs(columns[5] - columns[20]).sum()
    points = small.points
    assert contraction.dobrushin(kernel, points[5], points[20]) == pytest.approx(
        outermost
    )
    with pytest.raises(ValueError, match="fewer than 2 points"):
        contraction.dobrushin(kernel, 10.0, 11.0)


def test_the_extremes_are_as_theory_says():
    """For alpha -> 1 nothing contracts; for alpha -> 0 everything is forgotten."""
    pair = random_density(1), random_density(2)
    shares = []
    for alpha in (0.001, 0.5, 0.9, 0.998):
        kernel = operators.reverse_kernel(SMOOTH, alpha)
        after = divergences.js(*map(kernel.apply, pair))
        shares.append(after / divergences.js(*pair))
    assert shares == sorted(shares)
    assert shares[0] < 0.005 and shares[-1] > 0.85
    forgetful = operators.reverse_kernel(SMOOTH, 0.001).apply(pair[0])
    assert divergences.js(forgetful, SMOOTH) < 1e-3


@pytest.mark.parametrize("alpha", ALPHAS)
def test_eigenvalues_of_gaussian_data_are_powers_of_the_regression(alpha):
    found = contraction.eigenvalues(gaussian(0.25), alpha, 4)
    gain = alpha**0.5 * 0.25 / (alpha * 0.25 + 1.0 - alpha)
    np.testing.assert_allclose(found, gain ** np.arange(4), atol=1e-9)


@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_eigenvalues_are_those_of_the_matrix(density):
    grid = Grid(-3.0, 3.0, 121)
    density = densities.of_values(
        grid, np.interp(grid.points, GRID.points, density.masses)
    )
    kernel = operators.reverse_kernel(density, 0.8)
    plain = np.linalg.eigvals(kernel.matrix)
    assert np.abs(plain.imag).max() < 1e-8
    expected = np.sort(plain.real)[::-1][:3]
    found = contraction.eigenvalues(density, 0.8, 3)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_errors_fall_by_the_second_eigenvalue(density):
    kernel = operators.reverse_kernel(density, 0.8)
    _, second = contraction.eigenvalues(density, 0.8)
    limit = contraction.stationary(density, 0.8)
    steps = contraction.iterated(kernel, random_density(7), 300)
    apart = [divergences.total_variation(step, limit) for step in steps]
    used = [i for i, a in enumerate(apart) if 1e-9 < a < 1e-2]
    rate = np.exp(np.polyfit(used, np.log([apart[i] for i in used]), 1)[0])
    assert rate == pytest.approx(second, rel=0.01)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_the_closed_form_is_the_fixed_point(density, alpha):
    limit = contraction.stationary(density, alpha)
    after = operators.reverse_kernel(density, alpha).apply(limit)
    np.testing.assert_allclose(after.values, limit.values, atol=1e-12)
    assert divergences.js(limit, density) > 1e-5


@pytest.mark.parametrize("alpha", [*ALPHAS, 0.997])
@pytest.mark.parametrize("variance", [0.0625, 0.25, 0.7])
def test_the_fixed_point_of_gaussian_data_has_the_known_variance(alpha, variance):
    found = contraction.stationary(gaussian(variance), alpha).variance
    after = alpha * variance + 1.0 - alpha
    expected = variance * after / (after + variance - variance * after)
    assert found == pytest.approx(expected, abs=1e-8)


def test_a_known_variance_to_its_digits():
    assert contraction.stationary(gaussian(0.25), 0.9).variance == pytest.approx(
        0.16456, abs=5e-6
    )


def test_the_fixed_point_of_a_smooth_density_is_not_the_density():
    q = densities.gaussian_mixture(FINE, [-0.9, 0.8], [0.4, 0.3], [0.6, 0.4])
    limit = contraction.frozen_limit(q)
    for alpha, to_q, to_limit in (
        (0.9, 0.019, 0.0067),
        (0.97, 0.030, 0.0010),
        (0.99, 0.036, 0.00014),
        (0.997, 0.038, 0.000013),
    ):
        fixed = contraction.stationary(q, alpha)
        assert divergences.js(fixed, q) == pytest.approx(to_q, abs=5e-4)
        assert divergences.js(fixed, limit) == pytest.approx(to_limit, rel=0.05)


def test_the_fixed_point_of_a_density_of_narrow_peaks_is_near_it():
    q = densities.rough(Grid(-4.0, 4.0, 801), 0)
    for alpha in (0.9, 0.95, 0.98):
        fixed = contraction.stationary(q, alpha)
        assert 0.0005 < divergences.js(fixed, q) < 0.005


def test_a_density_wider_than_the_noise_has_no_fixed_point():
    with pytest.raises(ValueError, match="no stationary law"):
        contraction.stationary(gaussian(2.0), 0.9)


def test_iteration_begins_where_it_is_asked_to():
    kernel = operators.reverse_kernel(SMOOTH, 0.5)
    steps = contraction.iterated(kernel, ROUGH, 2)
    assert len(steps) == 3 and steps[0] is ROUGH
    expected = kernel.matrix @ kernel.matrix @ ROUGH.masses
    np.testing.assert_allclose(steps[2].masses, expected, atol=1e-15)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_chi_squared_to_the_fixed_point_falls_by_the_eigenvalue_squared(alpha):
    """R is self-adjoint in L2 of its stationary law, so no step does worse."""
    kernel = operators.reverse_kernel(SMOOTH, alpha)
    limit = contraction.stationary(SMOOTH, alpha)
    second = contraction.eigenvalues(SMOOTH, alpha)[1]

    def apart(density):
        held = limit.masses > 1e-12
        p, pi = density.masses[held], limit.masses[held]
        return np.sum(np.square(p - pi) / pi)

    shares = []
    for seed in range(5):
        start = random_pieces(seed)
        shares.append(apart(kernel.apply(start)) / apart(start))
    assert max(shares) <= second**2 * (1.0 + 1e-6)
    assert max(shares) > 1e-3 * second**2
