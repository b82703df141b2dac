"""Distributions of points: densities against integrals and draws, and draws of their own."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate, stats

from ddpm_jax.data import point_distributions, point_shapes

# The mixture in three dimensions has no integral to compare with but its draws.
KNOWN = {
    "line": point_shapes.mixture([[-1.0], [0.5], [3.0]], [0.3, 1.0, 0.1], [1, 2, 3]),
    "plane": point_shapes.mixture([[0.0, 0.0], [1.0, -2.0]], [0.5, 0.8], [1, 3]),
    "space": point_shapes.mixture([[0.0, 1.0, 2.0], [4.0, 0.0, 0.0]], [0.5, 1.5]),
    "moons": point_shapes.moons(),
    "squares": point_shapes.checkerboard(),
}


def drawn(distribution, num, seed=0):
    stream = point_distributions.FRESH
    return point_distributions.draw(distribution, seed, stream, num)


def test_a_mixtures_density_is_the_sum_of_its_components():
    mixture = KNOWN["plane"]
    x = np.random.default_rng(0).normal(size=(50, 2)) * 3.0
    want = sum(
        weight * stats.multivariate_normal(mean, std**2).pdf(x)
        for weight, mean, std in zip(
            (0.25, 0.75), mixture.means, mixture.stds, strict=True
        )
    )
    np.testing.assert_allclose(mixture.log_density(x), np.log(want), rtol=1e-12)


def test_a_density_far_out_is_no_zero():
    far = KNOWN["line"].log_density(np.array([[1000.0]]))
    np.testing.assert_allclose(
        far, stats.norm(0.5, 1.0).logpdf(1000.0) + math.log(1 / 3)
    )


def test_a_density_is_the_same_in_pieces(monkeypatch):
    x, _ = drawn(KNOWN["moons"], 50)
    whole = KNOWN["moons"].log_density(x)
    monkeypatch.setattr(point_distributions, "CHUNK", 1)
    np.testing.assert_array_equal(KNOWN["moons"].log_density(x), whole)
    assert KNOWN["moons"].log_density(x[:0]).shape == (0,)


def test_an_entropy_on_the_line_is_the_integral():
    def integrand(x):
        log_density = KNOWN["line"].log_density(np.array([[x]]))[0]
        return -math.exp(log_density) * log_density

    want, _ = integrate.quad(integrand, -8, 9, points=[-1, 0.5, 3], epsabs=1e-9)
    found = KNOWN["line"].entropy
    assert found.error == 0.0 and abs(found.nats - want) < 1e-6


def test_an_entropy_of_one_gaussian_has_its_formula():
    for dimensions in (1, 2):
        mean = [[3.0] * dimensions]
        found = point_shapes.mixture(mean, [0.7]).entropy
        want = dimensions * 0.5 * math.log(2.0 * math.pi * math.e * 0.49)
        assert found.error == 0.0 and abs(found.nats - want) < 1e-6


@pytest.mark.parametrize("name", KNOWN)
def test_an_entropy_is_the_mean_of_minus_the_log_density(name):
    points, _ = drawn(KNOWN[name], 100_000)
    log_density = KNOWN[name].log_density(points)
    found = KNOWN[name].entropy
    stderr = math.hypot(log_density.std() / math.sqrt(len(points)), found.error)
    # Five standard errors, and the square's rounding.
    assert abs(-log_density.mean() - found.nats) < 5.0 * stderr + 1e-9


def test_an_entropy_too_fine_to_integrate_is_a_mean_with_its_error(monkeypatch):
    moons = dataclasses.replace(KNOWN["moons"])
    exact = moons.entropy
    monkeypatch.setattr(point_distributions, "MOST_TERMS", 1.0)
    mean = dataclasses.replace(moons).entropy
    assert exact.error == 0.0 < mean.error < 0.01
    assert abs(mean.nats - exact.nats) < 5.0 * mean.error
    assert mean == dataclasses.replace(moons).entropy


@pytest.mark.parametrize("name", ["line", "plane", "space"])
def test_draws_have_the_components_shares_means_and_deviations(name):
    mixture, num = KNOWN[name], 40_000
    points, labels = drawn(mixture, num)
    assert points.shape == (num, mixture.dimensions)
    for k, share in enumerate(mixture.weights):
        own = points[labels == k]
        assert abs(len(own) / num - share) < 5.0 * math.sqrt(share / num)
        reach = 5.0 * mixture.stds[k] / math.sqrt(len(own))
        assert np.all(abs(own.mean(axis=0) - mixture.means[k]) < reach)
        assert np.all(abs(own.std(axis=0) - mixture.stds[k]) < reach)
        both = np.corrcoef(own.T).reshape(mixture.dimensions, mixture.dimensions)
        assert np.all(abs(both - np.eye(len(both))) < 5.0 / math.sqrt(len(own)))


def test_squares_are_drawn_evenly():
    points, labels = drawn(KNOWN["squares"], 40_000)
    assert np.all(np.isfinite(KNOWN["squares"].log_density(points)))
    assert stats.chisquare(np.bincount(labels, minlength=8)).pvalue > 1e-6
    place = points - KNOWN["squares"].corners[labels]
    for axis in (0, 1):
        assert stats.kstest(place[:, axis], "uniform").pvalue > 1e-6


def test_a_point_depends_on_its_number_seed_and_stream_alone():
    moons = KNOWN["moons"]
    few, many = drawn(moons, 10)[0], drawn(moons, 1000)[0]
    np.testing.assert_array_equal(few, many[:10])
    others = [
        drawn(moons, 10, seed=1)[0],
        drawn(moons, 10, seed=2**64 - 1)[0],
        point_distributions.draw(moons, 0, point_distributions.TRAIN, 10)[0],
        point_distributions.draw(moons, 0, point_distributions.TEST, 10)[0],
    ]
    firsts = np.concatenate([few, *others])
    assert len(np.unique(firsts[:, 0])) == len(firsts)


def test_the_first_points_are_the_same_everywhere():
    """Golden: of raw bits, by the formulas in the module."""
    points, labels = drawn(point_shapes.two_peaks(), 4)
    bits = np.random.Philox(key=np.array([0, 102], np.uint64)).random_raw(12)
    u = ((bits.reshape(4, 3) >> np.uint64(11)) + 0.5) / 2.0**53
    np.testing.assert_array_equal(labels, u[:, 0] >= 0.5)
    normal = np.sqrt(-2.0 * np.log(u[:, 1])) * np.cos(2.0 * np.pi * u[:, 2])
    want = np.where(labels == 1, 2.0, -2.0) + math.sqrt(0.5) * normal
    np.testing.assert_allclose(points[:, 0], want, rtol=1e-14)
