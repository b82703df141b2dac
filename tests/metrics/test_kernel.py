"""MMD^2 against loops, sums over every possible sample, and moments of Gaussians."""

import itertools
import tracemalloc

import numpy as np
import pytest

from ddpm_jax.metrics import features, kernel


def by_loops(real, generated):
    def mean(a, b, skip):
        pairs = [
            (np.dot(x, y) / len(x) + 1.0) ** 3
            for i, x in enumerate(a)
            for j, y in enumerate(b)
            if not (skip and i == j)
        ]
        return np.mean(pairs)

    within = mean(real, real, True) + mean(generated, generated, True)
    return within - 2.0 * mean(real, generated, False)


@pytest.mark.parametrize("block", [3, 7, 2048])
@pytest.mark.parametrize("sizes", [(2, 2), (20, 20), (15, 28)])
def test_it_is_the_direct_double_loop(sizes, block, rng, monkeypatch):
    monkeypatch.setattr(features, "BLOCK", block)
    real, generated = rng.normal(size=(sizes[0], 5)), rng.normal(size=(sizes[1], 5))
    generated += 0.3
    np.testing.assert_allclose(
        kernel.distance(real, generated), by_loops(real, generated), rtol=1e-11
    )


def test_float32_features_are_multiplied_in_float64(rng):
    real, generated = 10.0 * rng.normal(size=(2, 20, 5)).astype(np.float32)
    expected = by_loops(real.astype(np.float64), generated.astype(np.float64))
    np.testing.assert_allclose(kernel.distance(real, generated), expected, rtol=1e-11)


def test_its_mean_over_every_possible_sample_is_the_distance():
    """Of two distributions on three points: 3 real and 2 generated, 243 samples."""
    points = np.array([[0.0, 1.0], [2.0, -1.0], [1.0, 1.5]])
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.2, 0.7])
    kernels = (points @ points.T / 2.0 + 1.0) ** 3
    expected = p @ kernels @ p + q @ kernels @ q - 2.0 * p @ kernels @ q
    mean = 0.0
    for drawn in itertools.product(range(3), repeat=5):
        real, generated = np.split(np.array(drawn), [3])
        weight = p[real].prod() * q[generated].prod()
        mean += weight * kernel.distance(points[real], points[generated])
    np.testing.assert_allclose(mean, expected, rtol=1e-12)


def moments_of(mean, std):
    """E x, E x^2 and E x^3 of a Gaussian."""
    return np.array([mean, mean**2 + std**2, mean**3 + 3.0 * mean * std**2])


@pytest.mark.parametrize(("mean", "std"), [(0.5, 1.0), (0.5, 1.5), (-0.2, 0.7)])
def test_of_gaussians_it_is_that_of_their_moments(mean, std, rng):
    """Of one feature E k(x, y) = 1 + 3 m_1 n_1 + 3 m_2 n_2 + m_3 n_3: MMD^2 is a square.

    (0.5, 1) is the real distribution itself, at distance 0. Five standard errors of a
    mean of 300: three such tests fail a correct program once in some 600 000 seeds.
    """
    difference = moments_of(0.5, 1.0) - moments_of(mean, std)
    expected = np.array([3.0, 3.0, 1.0]) @ difference**2
    values = [
        kernel.distance(
            rng.normal(0.5, 1.0, size=(25, 1)), rng.normal(mean, std, size=(30, 1))
        )
        for _ in range(300)
    ]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 5.0 * error


def test_subsets_of_all_examples_are_all(rng):
    """Without replacement: every subset is the whole, in another order."""
    real, generated = rng.normal(size=(2, 30, 4))
    got = kernel.mean_over_subsets(real, generated, rng, num_subsets=5, subset_size=30)
    np.testing.assert_allclose(got.mean, by_loops(real, generated), rtol=1e-9)
    assert got.standard_error < 1e-10


def test_subsets_mean_and_error_are_of_the_distance_of_all(rng):
    """Over 100 draws: 5 deviations of a mean, and of a spread (7% of it), once in a
    million seeds."""
    real, generated = rng.normal(size=(2, 40, 3))
    found = [kernel.mean_over_subsets(real, generated, rng, 10, 10) for _ in range(100)]
    means, errors = np.array(found).T
    error = np.sqrt(np.mean(errors**2))
    exact = kernel.distance(real, generated)
    assert abs(means.mean() - exact) < 5.0 * error / np.sqrt(100)
    assert abs(means.std(ddof=1) / error - 1.0) < 5.0 * 0.075


def test_the_generator_alone_decides_the_subsets(rng):
    real, generated = rng.normal(size=(2, 40, 3))
    one, same, other = (
        kernel.mean_over_subsets(real, generated, np.random.default_rng(seed), 5, 10)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize("name", ["num_subsets", "subset_size"])
def test_subsets_are_two_of_two_or_more(name, rng):
    real, generated = rng.normal(size=(2, 10, 3))
    sizes = {"num_subsets": 3, "subset_size": 5, name: 1}
    with pytest.raises(ValueError, match=f"{name} = 1: write 2 or more"):
        kernel.mean_over_subsets(real, generated, rng, **sizes)


def test_memory_is_of_blocks(rng, monkeypatch):
    monkeypatch.setattr(features, "BLOCK", 200)
    real, generated = rng.normal(size=(2, 2000, 2))
    tracemalloc.start()
    kernel.distance(real, generated)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6  # All kernels of a pair would be 32 MB, a block's 0.32 MB.
