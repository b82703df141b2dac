"""Balls of neighbours against loops, by hand, in expectation, and on planted faults."""

import tracemalloc

import numpy as np
import pytest

from ddpm_jax.metrics import features, neighbours


def by_loops(real, generated, num_neighbours):
    """Precision, recall, density and coverage, from each pair's own difference."""

    def in_balls(centres, points):
        radii = [
            sorted(np.linalg.norm(x - y) for y in centres)[num_neighbours]
            for x in centres
        ]
        return np.array(
            [
                [np.linalg.norm(x - y) <= r * (1.0 + 1e-12) for y in points]
                for x, r in zip(centres, radii, strict=True)
            ]
        )

    of_real, of_generated = in_balls(real, generated), in_balls(generated, real)
    return (
        of_real.any(axis=0).mean(),
        of_generated.any(axis=0).mean(),
        of_real.sum() / (num_neighbours * len(generated)),
        of_real.any(axis=1).mean(),
    )


def all_four(real, generated, num_neighbours):
    return (
        *neighbours.precision_recall(real, generated, num_neighbours),
        *neighbours.density_coverage(real, generated, num_neighbours),
    )


@pytest.mark.parametrize("block", [3, 7, 2048])
@pytest.mark.parametrize("num_neighbours", [1, 3, 9])
@pytest.mark.parametrize("sizes", [(10, 10), (20, 33)])
def test_they_are_the_direct_loops(sizes, num_neighbours, block, rng, monkeypatch):
    monkeypatch.setattr(features, "BLOCK", block)
    real = rng.normal(size=(sizes[0], 3))
    generated = 0.8 * rng.normal(size=(sizes[1], 3)) + 0.5
    np.testing.assert_allclose(
        all_four(real, generated, num_neighbours),
        by_loops(real, generated, num_neighbours),
        rtol=1e-12,
    )


def test_by_hand_on_a_line():
    """Real balls [-16, 0], [-1, 1], [0, 2], [1, 5], [3, 17]; edges belong to them.

    -2 is in 1 of them, 0.5 in 2, 1 in 3, 2.5 in 1, and the rest in none; the last ball is
    empty. Generated balls [-4.5, 0.5], [0, 1], [0.5, 1.5], [1, 4], [29, 31], [30, 32]
    leave out -8 and 10.
    """
    real = np.array([[-8.0], [0.0], [1.0], [3.0], [10.0]])
    generated = np.array([[-2.0], [0.5], [1.0], [2.5], [30.0], [31.0]])
    np.testing.assert_allclose(
        all_four(real, generated, 1), (4 / 6, 3 / 5, 7 / 6, 4 / 5), rtol=1e-15
    )


def test_the_usual_numbers_of_neighbours(rng):
    real, generated = rng.normal(size=(2, 40, 3))
    precision, recall, _, _ = by_loops(real, generated, 3)
    _, _, density, coverage = by_loops(real, generated, 5)
    got = neighbours.precision_recall(real, generated)
    np.testing.assert_allclose(got, (precision, recall), rtol=1e-12)
    got = neighbours.density_coverage(real, generated)
    np.testing.assert_allclose(got, (density, coverage), rtol=1e-12)


@pytest.mark.usefixtures("blocks_of_seven")
def test_identical_sets(rng):
    """Every ball holds its centre and the k neighbours that it reaches to."""
    examples = rng.normal(size=(30, 64))
    np.testing.assert_allclose(
        all_four(examples, examples.copy(), 5), (1.0, 1.0, 6 / 5, 1.0), rtol=1e-15
    )


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.usefixtures("blocks_of_seven")
def test_copies_are_at_distance_zero(offset, rng):
    """Balls without extent, of four copies each, hold the copies of their centre."""
    distinct = rng.normal(size=(10, 300)).astype(np.float32) + np.float32(offset)
    real = np.repeat(distinct, 4, axis=0)
    np.testing.assert_allclose(
        all_four(real, distinct, 3), (1.0, 1.0, 4 / 3, 1.0), rtol=1e-15
    )
    assert neighbours.precision_recall(real, distinct[5:] + 1.0).precision == 0.0
    # Alone, each is multiplied in another order than beside others.
    for i in range(10):
        density, coverage = neighbours.density_coverage(real, distinct[i : i + 1], 3)
        np.testing.assert_allclose((density, coverage), (4 / 3, 1 / 10), rtol=1e-15)


def test_an_offset_of_all_examples_changes_nothing(rng):
    real, generated = rng.normal(size=(2, 40, 3))
    np.testing.assert_allclose(
        all_four(real + 1e7, generated + 1e7, 5), by_loops(real, generated, 5)
    )


def modes(rng, *centres, num=100):
    """Standard Gaussians far apart, in equal parts."""
    return np.concatenate([rng.normal([c, 0.0], size=(num, 2)) for c in centres])


def test_a_dropped_mode_costs_recall_and_coverage(rng):
    real = modes(rng, 0.0, 1000.0)
    faithful = all_four(real, modes(rng, 0.0, 1000.0), 5)
    precision, recall, _, coverage = all_four(real, modes(rng, 0.0, num=200), 5)
    assert recall <= 0.5 and coverage <= 0.5 < 0.9 < min(faithful)
    assert abs(precision - faithful[0]) < 0.05


def test_an_added_mode_costs_precision_and_density(rng):
    real = modes(rng, 0.0, 1000.0)
    added = modes(rng, 0.0, 1000.0, 2000.0, 3000.0)
    faithful = all_four(real, added[:200], 5)
    precision, recall, density, coverage = all_four(real, added, 5)
    assert precision <= 0.5 and min(faithful) > 0.9
    np.testing.assert_allclose(density, 0.5 * faithful[2], rtol=1e-12)
    assert (recall, coverage) == (faithful[1], faithful[3])


def test_an_outlier_widens_precision_but_hardly_density(rng):
    """Its one ball holds all that is generated between: 1 of 5 counts, not all."""
    real = np.concatenate([modes(rng, 0.0), [[1000.0, 0.0]]])
    precision, _, density, _ = all_four(real, modes(rng, 500.0), 5)
    assert precision == 1.0
    np.testing.assert_allclose(density, 1 / 5, rtol=1e-12)


@pytest.mark.parametrize("sizes", [(30, 30), (20, 35)])
def test_coverage_of_one_distribution_is_what_is_expected(sizes, rng):
    """Naeem et al.'s 1 - (N-1)...(N-k) / ((2N-1)...(2N-k)), for M generated ones.

    A ball is empty if the k others nearest to its centre, of N-1+M in random order, are all
    real. Five standard errors of 200 sets: two such tests fail once in 900 000 seeds.
    """
    num_real, num_generated = sizes
    taken = np.arange(5)
    expected = 1.0 - np.prod(
        (num_real - 1 - taken) / (num_real - 1 + num_generated - taken)
    )
    values = [
        neighbours.density_coverage(
            rng.normal(size=(num_real, 2)), rng.normal(size=(num_generated, 2))
        ).coverage
        for _ in range(200)
    ]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 5.0 * error


def test_density_of_one_distribution_is_one_in_expectation(rng):
    """A ball holds one with k/N: to be in the k nearest, beside N - 1 real others.

    Five standard errors of 200 sets: fails once in 1.7 million seeds.
    """
    values = [
        neighbours.density_coverage(*rng.normal(size=(2, 30, 2))).density
        for _ in range(200)
    ]
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - 1.0) < 5.0 * error


def test_memory_is_of_blocks(rng, monkeypatch):
    monkeypatch.setattr(features, "BLOCK", 200)
    real, generated = rng.normal(size=(2, 2000, 2))
    tracemalloc.start()
    all_four(real, generated, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6  # All distances of a pair would be 32 MB, a block's 0.32 MB.


@pytest.mark.parametrize(
    "metric", [neighbours.precision_recall, neighbours.density_coverage]
)
def test_a_ball_reaches_to_a_neighbour(metric, rng):
    with pytest.raises(ValueError, match="num_neighbours = 0: write 1 or more"):
        metric(*rng.normal(size=(2, 5, 2)), num_neighbours=0)
