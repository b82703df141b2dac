"""The distance against scipy's and closed forms: shifts, scales, Gaussians, uniform laws."""

import math

import numpy as np
import pytest
import scipy.stats
from scipy.special import ndtr

from ddpm_jax.metrics import wasserstein


@pytest.mark.parametrize(("num_a", "num_b"), [(50, 50), (7, 50), (12, 18), (1, 9)])
def test_on_a_line_it_is_scipys_for_any_two_numbers_of_samples(rng, num_a, num_b):
    a, b = rng.normal(size=num_a), 2.0 * rng.normal(size=num_b) + 0.3
    expected = scipy.stats.wasserstein_distance(a, b)
    np.testing.assert_allclose(wasserstein.on_a_line(a, b), expected, rtol=1e-12)
    np.testing.assert_allclose(wasserstein.on_a_line(b, a), expected, rtol=1e-12)


def test_a_shift_is_as_far_as_it_goes_and_copies_change_nothing(rng):
    a = rng.normal(size=30)
    np.testing.assert_allclose(wasserstein.on_a_line(a, a + 0.7), 0.7, rtol=1e-12)
    np.testing.assert_allclose(
        wasserstein.on_a_line(a, np.repeat(a + 0.7, 3)), 0.7, rtol=1e-12
    )
    assert wasserstein.on_a_line(a, rng.permutation(a)) == 0.0


def test_to_a_distribution_function_a_point_is_its_mean_distance():
    """W1 of one point to a law is E|X - point|, and for N(0, 1) sqrt(2 / pi) from 0."""
    found = wasserstein.to_cdf(np.zeros(1), ndtr, -9.0, 9.0)
    np.testing.assert_allclose(found, math.sqrt(2.0 / math.pi), rtol=1e-5)
    # E|X - c| = 2 phi(c) + c (2 Phi(c) - 1); the point lies beyond the ends.
    c = 12.0
    found = wasserstein.to_cdf(np.full(1, c), ndtr, -9.0, 9.0)
    np.testing.assert_allclose(found, c, rtol=1e-5)


def test_the_uniform_laws_own_quantiles_are_a_quarter_of_a_step_away():
    """(i + 1/2) / n against U(0, 1): the mean of |u| over a step of 1/n is 1 / (4 n)."""
    for num in (1, 4, 1000):
        middle = (np.arange(num) + 0.5) / num
        found = wasserstein.to_cdf(middle, lambda x: np.clip(x, 0.0, 1.0), 0.0, 1.0)
        np.testing.assert_allclose(found, 0.25 / num, rtol=1e-4)


def test_to_a_distribution_function_is_to_very_many_of_its_samples(rng):
    samples = rng.normal(0.3, 1.4, size=200)
    exact = wasserstein.to_cdf(samples, ndtr, -9.0, 9.0)
    many = scipy.stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    np.testing.assert_allclose(wasserstein.on_a_line(samples, many), exact, rtol=1e-4)


@pytest.mark.parametrize(
    ("num_features", "share", "rtol"),
    [(1, 1.0, 1e-12), (2, 2.0 / math.pi, 1e-4), (3, 0.5, 0.1)],
)
def test_a_shift_in_space_is_the_mean_of_its_projections(
    rng, num_features, share, rtol
):
    """E|cos| of the angle to a direction: 1, 2/pi, 1/2 in one, two, three dimensions."""
    a, shift = rng.normal(size=(40, num_features)), rng.normal(size=num_features)
    expected = share * np.linalg.norm(shift)
    found = wasserstein.distance(a, a + shift)
    np.testing.assert_allclose(found, expected, rtol=rtol)
    assert wasserstein.distance(a + shift, a) == pytest.approx(found, rel=1e-12)
    assert wasserstein.distance(a, a) == 0.0


def test_a_scaled_round_gaussian_is_scaled_in_every_slice(rng):
    """Sorted, both are one quantile function times 1 and 3: the mean of 2 |Q| is left."""
    a = rng.normal(size=(20_000, 2))
    expected = 2.0 * math.sqrt(2.0 / math.pi)
    np.testing.assert_allclose(wasserstein.distance(a, 3.0 * a), expected, rtol=0.01)


def test_directions_are_unit_vectors_and_always_the_same():
    for num_features in (1, 2, 5):
        found = wasserstein.directions(num_features)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, rtol=1e-12)
        np.testing.assert_array_equal(found, wasserstein.directions(num_features))


def test_float32_features_are_compared_in_float64():
    a = np.full((5, 1), 1e8, np.float32)
    b = np.full((5, 1), 1e8 + 8.0, np.float32)
    assert wasserstein.distance(a, b) == 8.0


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2)), "real: 0 examples"),
        (np.zeros((3, 2)), np.zeros((3, 1)), "2 features and generated ones 1"),
        (np.zeros((3, 1)), np.full((3, 1), np.nan), "generated: .* not finite"),
    ],
)
def test_what_has_no_distance_is_told(real, generated, message):
    with pytest.raises(ValueError, match=message):
        wasserstein.distance(real, generated)
    with pytest.raises(ValueError, match="samples: 0 examples"):
        wasserstein.to_cdf(np.zeros(0), ndtr, -9.0, 9.0)
