"""Fidelity and variety as separate figures, from balls out to the k-th nearest neighbours.

With B(x) the closed ball around an example x that just reaches its k-th nearest neighbour of
its own kind, of N real examples x and M generated ones y,

    precision = share of y in some B(x)      recall   = share of x in some B(y)
    density   = mean over y of #{x: y in B(x)} / k
    coverage  = share of x with some y in B(x)

(Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1-2; Naeem et al. 2020, arXiv:2002.09797,
eq. 3-4.) One outlier's ball is wide: it can hold many samples for precision, or many examples
for recall, but counts once of N in density and coverage.

Distances are those of blocks, |x|^2 + |y|^2 - 2 x.y in float64 after the balls' mean is taken
off. A point is on a ball's edge to within `ROUNDING`, so copies are at distance 0.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ddpm_jax.metrics.features import Features, blocks, check, check_pair

# Of squared distances, relative to |x|^2 + |y|^2: float64 rounds less, float32 features more.
ROUNDING = 1e-14


class PrecisionRecall(NamedTuple):
    """Improved precision and recall, shares in [0, 1].

    Attributes:
      precision: share of generated examples in the real ones' balls: fidelity.
      recall: share of real examples in the generated ones' balls: variety.
    """

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density and coverage, both about 1 for samples that are like the data.

    Attributes:
      density: mean number of real balls that hold a generated example, over k. Above 1
        where samples crowd.
      coverage: share of real balls with a generated example, in [0, 1]. Of N = M examples
        from one distribution 1 - (N-1)...(N-k) / ((2N-1)...(2N-k)) is expected.
    """

    density: float
    coverage: float


class _Membership(NamedTuple):
    """The membership of points in balls, summed over either.

    Attributes:
      num_balls: number of balls that hold each point.
      is_occupied: whether each ball holds a point.
    """

    num_balls: Int[np.ndarray, " points"]
    is_occupied: Bool[np.ndarray, " balls"]


def precision_recall(
    real: Features, generated: Features, num_neighbours: int = 3
) -> PrecisionRecall:
    """Improved precision and recall.

    Raises:
      ValueError: fewer than num_neighbours + 1 examples of a kind, features that are not
        finite, different numbers of them, or num_neighbours below 1.
    """
    num_needed = num_neighbours + 1
    _check(real, generated, num_neighbours, num_needed)
    precise = _membership(real, generated, num_neighbours).num_balls > 0
    recalled = _membership(generated, real, num_neighbours).num_balls > 0
    return PrecisionRecall(float(precise.mean()), float(recalled.mean()))


def density_coverage(
    real: Features, generated: Features, num_neighbours: int = 5
) -> DensityCoverage:
    """Density and coverage, from balls around real examples only.

    Raises:
      ValueError: fewer than num_neighbours + 1 real examples or no generated one, features
        that are not finite, different numbers of them, or num_neighbours below 1.
    """
    _check(real, generated, num_neighbours, 1)
    membership = _membership(real, generated, num_neighbours)
    return DensityCoverage(
        float(membership.num_balls.mean() / num_neighbours),
        float(membership.is_occupied.mean()),
    )


def _check(
    real: Features, generated: Features, num_neighbours: int, num_generated: int
) -> None:
    if num_neighbours < 1:
        raise ValueError(f"num_neighbours = {num_neighbours}: write 1 or more.")
    purpose = f"num_neighbours = {num_neighbours}"
    check(real, "real", num_neighbours + 1, purpose)
    check(generated, "generated", num_generated, purpose)
    check_pair(real.shape[1], generated.shape[1])


def _membership(
    centres: Features, points: Features, num_neighbours: int
) -> _Membership:
    origin = centres.mean(axis=0, dtype=np.float64)
    squared_radii = _squared_radii(centres, origin, num_neighbours)
    num_balls = np.zeros(len(points), np.int64)
    is_occupied = np.zeros(len(centres), bool)
    for start, block in blocks(centres):
        rows = slice(start, start + len(block))
        for other_start, other in blocks(points):
            columns = slice(other_start, other_start + len(other))
            distances, rounding = _squared_distances(block - origin, other - origin)
            is_within = distances <= squared_radii[rows, None] + rounding
            num_balls[columns] += is_within.sum(axis=0)
            is_occupied[rows] |= is_within.any(axis=1)
    return _Membership(num_balls, is_occupied)


def _squared_radii(
    centres: Features, origin: Float[np.ndarray, " features"], num_neighbours: int
) -> Float[np.ndarray, " balls"]:
    """The squared distance of each example to its k-th nearest other one."""
    radii = []
    for start, block in blocks(centres):
        nearest = np.empty((len(block), 0))
        for other_start, other in blocks(centres):
            distances, _ = _squared_distances(block - origin, other - origin)
            if start == other_start:
                np.fill_diagonal(
                    distances, np.inf
                )  # An example is not its own neighbour.
            nearest = np.concatenate([nearest, distances], axis=1)
            num_kept = min(num_neighbours, nearest.shape[1])
            nearest = np.partition(nearest, num_kept - 1, axis=1)[:, :num_kept]
        radii.append(nearest.max(axis=1))
    return np.concatenate(radii)


def _squared_distances(a: Features, b: Features) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances of all pairs from a and b, and bounds on their rounding errors."""
    sizes = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)[None, :]
    return sizes - 2.0 * a @ b.T, ROUNDING * sizes
