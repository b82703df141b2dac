"""Distributions of points whose densities are known, in numpy float64.

A point is a function of some uniform numbers in (0, 1), its own: the first chooses a component.
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

Points = Float64[np.ndarray, "points dimensions"]
Nats = Float64[np.ndarray, " points"]
Uniforms = Float64[np.ndarray, "points uniforms"]
Labels = Int[np.ndarray, " points"]

# The most numbers of an array in between, 4 MiB of them: what a cache holds.
CHUNK = 2**19
# Quadrature is of at most so many terms; beyond, the entropy is a mean over draws.
MOST_TERMS = 2.5e8
MOST_DRAWS, LEAST_DRAWS = 2**20, 2**14
# Streams of random bits from a seed, by numbers that the order of a run's examples has not.
TRAIN, TEST, FRESH, ENTROPY = range(100, 104)
ENTROPY_SEED = 0


class Entropy(NamedTuple):
    """An entropy.

    Attributes:
      nats: the entropy.
      error: its standard error if it is a mean over draws; 0 if it is an integral, whose
        error is below 1e-6.
    """

    nats: float
    error: float


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A mixture of round Gaussians, in groups such as rings.

    Attributes:
      means: [components, dimensions].
      stds: standard deviation of each component.
      weights: probability of each component; they sum to 1.
      groups: group of each component, by which points are labelled.
    """

    means: Float64[np.ndarray, "components dimensions"]
    stds: Float64[np.ndarray, " components"]
    weights: Float64[np.ndarray, " components"]
    groups: Int[np.ndarray, " components"]

    @property
    def dimensions(self) -> int:
        """The number D of coordinates."""
        return self.means.shape[1]

    @property
    def num_groups(self) -> int:
        """The number of groups."""
        return int(self.groups.max()) + 1

    @property
    def num_uniforms(self) -> int:
        """The uniform numbers of a point: one, and two for each pair of normal numbers."""
        return 1 + 2 * -(-self.dimensions // 2)

    def log_density(self, x: Points) -> Nats:
        """The log density at each point, nats."""
        rows = max(1, CHUNK // len(self.means))
        parts = [self._log_density(x[i : i + rows]) for i in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _log_density(self, x: Points) -> Nats:
        squares = np.zeros((len(x), len(self.means)))
        for i in range(self.dimensions):
            squares += np.square((x[:, i, None] - self.means[None, :, i]) / self.stds)
        log_scale = np.log(self.weights) - self.dimensions * (
            np.log(self.stds) + 0.5 * math.log(2.0 * math.pi)
        )
        terms = log_scale - 0.5 * squares
        largest = terms.max(axis=1)
        return largest + np.log(np.exp(terms - largest[:, None]).sum(axis=1))

    def place(self, uniforms: Uniforms) -> tuple[Points, Labels]:
        """The points of uniform numbers, by Box and Muller's normal numbers."""
        edges = np.cumsum(self.weights)[:-1]
        component = np.searchsorted(edges, uniforms[:, 0], side="right")
        radius = np.sqrt(-2.0 * np.log(uniforms[:, 1::2]))
        angle = 2.0 * math.pi * uniforms[:, 2::2]
        normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
        normal = normal.reshape(len(uniforms), -1)[:, : self.dimensions]
        points = self.means[component] + self.stds[component, None] * normal
        return points, self.groups[component]

    @functools.cached_property
    def entropy(self) -> Entropy:
        """By the trapezoidal rule on the line and in the plane, where that is not too fine."""
        reach = 9.0 * self.stds.max()
        spacing = self.stds.min() / 3.0
        axes = [
            np.arange(low - reach, high + reach + spacing, spacing)
            if (high - low + 2.0 * reach) / spacing * len(self.means) < MOST_TERMS
            else None
            for low, high in zip(
                self.means.min(axis=0), self.means.max(axis=0), strict=True
            )
        ]
        sizes = [math.inf if axis is None else axis.size for axis in axes]
        if self.dimensions > 2 or math.prod(sizes) * len(self.means) > MOST_TERMS:
            return _mean_entropy(self)
        lines = [axis for axis in axes if axis is not None]
        grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
        log_density = self.log_density(grid.reshape(-1, self.dimensions))
        total = -np.sum(np.exp(log_density) * log_density)
        return Entropy(float(total * spacing**self.dimensions), 0.0)


@dataclasses.dataclass(frozen=True)
class Squares:
    """The uniform distribution on some squares of the plane that do not overlap.

    Attributes:
      corners: lowest corner of each square, which is a group.
      side: their side.
      dimensions: 2.
      num_uniforms: uniform numbers that a point takes.
    """

    corners: Float64[np.ndarray, "squares 2"]
    side: float = 1.0
    dimensions: int = 2
    num_uniforms: int = 3

    @property
    def num_groups(self) -> int:
        """The number of groups."""
        return len(self.corners)

    def log_density(self, x: Points) -> Nats:
        """The log density at each point, nats; -infinity outside the squares."""
        offset = (x[:, None, :] - self.corners[None]) / self.side
        # With their edges, to which a 32-bit number may have been rounded.
        inside = np.any(np.all((offset >= 0.0) & (offset <= 1.0), axis=2), axis=1)
        return np.where(inside, -self.entropy.nats, -np.inf)

    def place(self, uniforms: Uniforms) -> tuple[Points, Labels]:
        """The points of uniform numbers."""
        square = np.floor(uniforms[:, 0] * len(self.corners)).astype(np.int64)
        return self.corners[square] + self.side * uniforms[:, 1:], square

    @property
    def entropy(self) -> Entropy:
        """The logarithm of the area."""
        return Entropy(math.log(len(self.corners) * self.side**2), 0.0)


Distribution = Mixture | Squares


def _mean_entropy(distribution: Mixture) -> Entropy:
    """The entropy as a mean over draws, the same ones everywhere."""
    num = int(min(max(MOST_TERMS / len(distribution.means), LEAST_DRAWS), MOST_DRAWS))
    points, _ = draw(distribution, ENTROPY_SEED, ENTROPY, num)
    log_density = distribution.log_density(points)
    error = log_density.std() / math.sqrt(num)
    return Entropy(float(-log_density.mean()), float(error))


def draw(
    distribution: Distribution, seed: int, stream: int, num: int
) -> tuple[Points, Labels]:
    """The first points of a stream, and their groups.

    A point is a function of seed, stream and its number: raw bits, 53 of each uniform number,
    because NumPy may change what it makes of them.
    """
    key = np.array([seed % 2**64, stream], np.uint64)
    count = distribution.num_uniforms
    bits = np.random.Philox(key=key).random_raw(num * count).reshape(num, count)
    return distribution.place(((bits >> np.uint64(11)) + 0.5) * 2.0**-53)
