"""The distance of Gaussians against scipy's matrix root and closed forms."""

import numpy as np
import pytest
import scipy.linalg

from ddpm_jax.metrics import frechet, moments
from ddpm_jax.metrics.moments import Moments


def gaussian(mean, covariance) -> Moments:
    return Moments(100, np.asarray(mean, float), np.asarray(covariance, float))


def random_gaussian(rng, num_features=12) -> Moments:
    root = rng.normal(size=(num_features, num_features))
    return gaussian(rng.normal(size=num_features), root @ root.T)


def rotation(rng, num_features):
    return np.linalg.qr(rng.normal(size=(num_features, num_features)))[0]


def test_it_is_heusels_formula_with_scipys_root(rng):
    a, b = random_gaussian(rng), random_gaussian(rng)
    root = scipy.linalg.sqrtm(a.covariance @ b.covariance)
    expected = np.sum((a.mean - b.mean) ** 2)
    expected += np.trace(a.covariance + b.covariance - 2.0 * root.real)
    np.testing.assert_allclose(frechet.distance(a, b), expected, rtol=1e-9)


def test_commuting_covariances_differ_by_their_standard_deviations(rng):
    """|m_a - m_b|^2 + sum (s_a - s_b)^2, on any axes that they share."""
    axes = rotation(rng, 6)
    means, deviations = rng.normal(size=(2, 6)), rng.uniform(0.0, 3.0, size=(2, 6))
    a, b = (
        gaussian(axes @ m, axes * s**2 @ axes.T)
        for m, s in zip(means, deviations, strict=True)
    )
    expected = np.sum((means[0] - means[1]) ** 2)
    expected += np.sum((deviations[0] - deviations[1]) ** 2)
    np.testing.assert_allclose(frechet.distance(a, b), expected, rtol=1e-12)


def test_equal_covariances_leave_the_means_distance(rng):
    a = random_gaussian(rng)
    b = gaussian(a.mean + np.arange(12.0), a.covariance)
    np.testing.assert_allclose(
        frechet.distance(a, b), np.sum(np.arange(12.0) ** 2), rtol=1e-12
    )


def test_of_one_feature():
    a, b = gaussian([1.0], [[4.0]]), gaussian([4.0], [[49.0]])
    np.testing.assert_allclose(frechet.distance(a, b), 3.0**2 + 5.0**2, rtol=1e-14)


def centred(examples):
    return (examples - examples.mean(axis=0)) / np.sqrt(len(examples) - 1)


@pytest.mark.parametrize("sizes", [(5, 8), (8, 30), (2, 2)])
def test_of_fewer_examples_than_features(sizes, rng):
    """The root's trace is the nuclear norm of the centred examples' products."""
    a, b = (rng.normal(size=(size, 20)) for size in sizes)
    cross = scipy.linalg.svdvals(centred(a) @ centred(b).T).sum()
    expected = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    expected += np.var(a, axis=0, ddof=1).sum() + np.var(b, axis=0, ddof=1).sum()
    expected -= 2.0 * cross
    # Rounding of an eigenvalue that is 0 is a root of 1e-8 in a space that b fills.
    np.testing.assert_allclose(
        frechet.distance(moments.from_features(a), moments.from_features(b)),
        expected,
        rtol=1e-6,
    )


@pytest.mark.parametrize("num", [5, 200])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_of_equal_moments_it_is_zero_to_rounding(num, scale, rng):
    a = moments.from_features(scale * rng.normal(size=(num, 40)))
    assert 0.0 <= frechet.distance(a, a) < 1e-12 * np.trace(a.covariance)


def test_it_is_never_negative(rng):
    """Rounding takes about half of these below 0 where nothing keeps them."""
    samples = [moments.from_features(rng.normal(size=(30, 20))) for _ in range(20)]
    assert min(frechet.distance(a, a) for a in samples) >= 0.0


def test_neither_is_first(rng):
    a, b = random_gaussian(rng), moments.from_features(rng.normal(size=(5, 12)))
    np.testing.assert_allclose(
        frechet.distance(a, b), frechet.distance(b, a), rtol=1e-13
    )


def test_a_covariance_has_no_eigenvalue_below_zero():
    good = gaussian([0.0, 0.0], np.eye(2))
    bad = gaussian([0.0, 0.0], np.diag([1.0, -0.5]))
    with pytest.raises(ValueError, match=r"the second covariance has .* -0\.5"):
        frechet.distance(good, bad)
    rounded = gaussian([0.0, 0.0], np.diag([1.0, -1e-6]))
    np.testing.assert_allclose(frechet.distance(rounded, good), 1.0, rtol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_moments_that_are_not_finite(value):
    good = gaussian([0.0], [[1.0]])
    for bad in (gaussian([value], [[1.0]]), gaussian([0.0], [[value]])):
        with pytest.raises(ValueError, match="the first moments are not finite"):
            frechet.distance(bad, good)
