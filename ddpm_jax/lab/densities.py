"""Densities on a grid of a line, in float64.

A density stands for its values at the grid's points, as masses: value times spacing, with sum
1. Sums over the grid are then the trapezium rule, whose error for a smooth density that
vanishes at both ends is below any power of the spacing.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from jaxtyping import Float

Points = Float[np.ndarray, " points"]
# The share of samples that may lie beyond the grid before they are refused.
SHARE_BEYOND = 1e-3


@dataclasses.dataclass(frozen=True)
class Grid:
    """Evenly spaced points of a line.

    The default holds N(0, 1), in which every chain ends, to 1e-15.

    Attributes:
      low: the first point.
      high: the last point.
      num: the number of points.
    """

    low: float = -8.0
    high: float = 8.0
    num: int = 1601

    def __post_init__(self) -> None:
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise ValueError(
                f"low = {self.low}, high = {self.high}: write finite numbers, the first"
                " below the second."
            )
        if self.num < 3:
            raise ValueError(f"num = {self.num}: write 3 points or more.")

    @functools.cached_property
    def points(self) -> Points:
        """The points, in increasing order."""
        return np.linspace(self.low, self.high, self.num)

    @property
    def spacing(self) -> float:
        """The distance of neighbouring points."""
        return (self.high - self.low) / (self.num - 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Density:
    """A density on a grid.

    Attributes:
      grid: the grid.
      masses: the probability of each point, at least 0, with sum 1.

    Raises:
      ValueError: the masses are no probabilities.
    """

    grid: Grid
    masses: Points

    def __post_init__(self) -> None:
        if not (
            self.masses.shape == (self.grid.num,)
            and np.all(self.masses >= 0.0)
            and abs(self.masses.sum() - 1.0) < 1e-9
        ):
            raise ValueError(
                f"masses of shape {self.masses.shape} with sum {self.masses.sum():.6g} and"
                f" least {self.masses.min():.3g}: they must be probabilities of the"
                f" {self.grid.num} points."
            )

    @property
    def values(self) -> Points:
        """The density at the grid's points, per unit of length."""
        return self.masses / self.grid.spacing

    @property
    def log_masses(self) -> Points:
        """log of the masses, -inf where there is none."""
        with np.errstate(divide="ignore"):
            return np.log(self.masses)

    @property
    def mean(self) -> float:
        """E[x]."""
        return float(self.masses @ self.grid.points)

    @property
    def variance(self) -> float:
        """E[(x - mean)^2]."""
        return float(self.masses @ np.square(self.grid.points - self.mean))

    def moment(self, order: int) -> float:
        """E[x^order]."""
        return float(self.masses @ self.grid.points**order)

    @property
    def entropy(self) -> float:
        """The differential entropy -E[log density], in nats."""
        held = self.masses[self.masses > 0.0]
        return float(-held @ np.log(held / self.grid.spacing))

    @property
    def cdf(self) -> Points:
        """P(X <= x) at the grid's points, half of a point's own mass counted."""
        return np.cumsum(self.masses) - 0.5 * self.masses

    def sample(
        self, generator: np.random.Generator, num: int
    ) -> Float[np.ndarray, " samples"]:
        """Independent draws: points by their masses, spread evenly over a spacing."""
        drawn = generator.choice(self.grid.points, num, p=self.masses)
        return drawn + self.grid.spacing * generator.uniform(-0.5, 0.5, num)


def of_values(grid: Grid, values: Points) -> Density:
    """The density proportional to these values.

    Raises:
      ValueError: they are negative, not finite, or all 0.
    """
    values = np.asarray(values, np.float64)
    total = values.sum()
    if not (np.all(values >= 0.0) and np.isfinite(total) and total > 0.0):
        raise ValueError(
            f"values from {values.min():.3g} to {values.max():.3g}: a density's are"
            " finite, at least 0, and not all 0."
        )
    return Density(grid, values / total)


def of_logs(grid: Grid, logs: Points) -> Density:
    """The density whose logarithm, up to a constant, is this."""
    return of_values(grid, np.exp(logs - np.max(logs)))


def gaussian_mixture(
    grid: Grid,
    means: Sequence[float],
    stds: Sequence[float],
    weights: Sequence[float] | None = None,
) -> Density:
    """A mixture of Gaussians, of equal weights if none are given.

    Raises:
      ValueError: the numbers of means, stds and weights differ, a mean lies beyond the grid,
        a std is below the spacing, which the grid would not resolve, or all weights are 0.
    """
    shares = [1.0] * len(means) if weights is None else weights
    if not len(means) == len(stds) == len(shares) > 0:
        raise ValueError(
            f"{len(means)} means, {len(stds)} stds, {len(shares)} weights: write as many"
            " of each."
        )
    _check_weights(shares)
    if not all(grid.low <= mean <= grid.high for mean in means):
        raise ValueError(
            f"means = {tuple(means)}: some lie beyond the grid, which is from"
            f" {grid.low:g} to {grid.high:g}; write others, or a wider grid."
        )
    if min(stds) < grid.spacing:
        raise ValueError(
            f"stds = {tuple(stds)}: {min(stds)} is below the grid's spacing"
            f" {grid.spacing:g}; write a larger one, or a finer grid."
        )
    values = sum(
        share / std * np.exp(-0.5 * np.square((grid.points - mean) / std))
        for mean, std, share in zip(means, stds, shares, strict=True)
    )
    return of_values(grid, np.asarray(values))


def _check_weights(weights: Sequence[float]) -> None:
    if not any(weights):
        raise ValueError(
            f"weights = {tuple(weights)}: all of them are 0; write one above 0."
        )


def standard_normal(grid: Grid) -> Density:
    """N(0, 1), in which every chain ends."""
    return gaussian_mixture(grid, [0.0], [1.0])


def uniform_pieces(
    grid: Grid, edges: Sequence[float], weights: Sequence[float]
) -> Density:
    """Uniform pieces between neighbouring edges, each with the probability of its weight.

    Args:
      grid: the grid.
      edges: in increasing order, one more than there are weights.
      weights: probabilities of the pieces up to a factor; 0 leaves a gap.

    Raises:
      ValueError: the edges do not increase, are not one more than the weights, or lie beyond
        the grid; a piece has no point; or all weights are 0.
    """
    if len(edges) != len(weights) + 1 or np.any(np.diff(edges) <= 0.0):
        raise ValueError(
            f"edges = {tuple(edges)} for {len(weights)} weights: write increasing numbers,"
            " one more than weights."
        )
    _check_weights(weights)
    if not grid.low <= edges[0] < edges[-1] <= grid.high:
        raise ValueError(
            f"edges = {tuple(edges)}: some lie beyond the grid, which is from"
            f" {grid.low:g} to {grid.high:g}; write others, or a wider grid."
        )
    heights = np.asarray(weights, np.float64) / np.diff(edges)
    piece = np.searchsorted(edges, grid.points, side="right") - 1
    inside = (piece >= 0) & (piece < len(heights))
    if len(np.unique(piece[inside])) < len(heights):
        raise ValueError(
            f"edges = {tuple(edges)}: no point of the grid, whose spacing is"
            f" {grid.spacing:g}, lies in some interval; write a wider one, or a finer grid."
        )
    return of_values(grid, np.where(inside, heights[np.where(inside, piece, 0)], 0.0))


def rough(
    grid: Grid,
    seed: int,
    *,
    num_peaks: int = 20,
    reach: float = 1.0,
    widths: tuple[float, float] = (0.015, 0.05),
) -> Density:
    """A random rough density: narrow peaks, one in each equal piece of [-reach, reach].

    Args:
      grid: the grid.
      seed: the same density for the same seed, whatever the grid.
      num_peaks: number of peaks and of pieces.
      reach: half of the length of all pieces.
      widths: least and greatest standard deviation of a peak, even at random in the log.

    Raises:
      ValueError: a peak is narrower than the grid's spacing.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    places = (np.arange(num_peaks) + generator.uniform(size=num_peaks)) / num_peaks
    stds = np.exp(
        generator.uniform(math.log(widths[0]), math.log(widths[1]), num_peaks)
    )
    if min(stds) < grid.spacing:
        raise ValueError(
            f"a peak of standard deviation {min(stds):.3g} is narrower than the grid's"
            f" spacing {grid.spacing:g}; write a larger width, or a finer grid."
        )
    weights = generator.uniform(0.3, 1.0, num_peaks)
    means = reach * (2.0 * places - 1.0)
    return gaussian_mixture(grid, means.tolist(), stds.tolist(), weights.tolist())


def from_samples(
    grid: Grid, samples: Float[np.ndarray, " samples"], bandwidth: float | None = None
) -> Density:
    """The Gaussian kernel estimate of a density from samples of it.

    Args:
      grid: the grid; one in a thousand samples may lie beyond it, and is left out.
      samples: numbers, two or more different ones.
      bandwidth: standard deviation of the kernel; None: Silverman's (1986, eq. 3.31),
        0.9 min(std, interquartile range / 1.34) n^(-1/5), and at least a spacing.

    Raises:
      ValueError: they are not finite, all alike, or beyond the grid; or the bandwidth is
        not above 0.
    """
    samples = np.asarray(samples, np.float64)
    if samples.size == 1:
        raise ValueError(
            "there is only one sample: write two or more, not all of them alike."
        )
    if not samples.size or not np.all(np.isfinite(samples)) or np.ptp(samples) == 0.0:
        raise ValueError(
            f"{samples.size} samples: write finite numbers, not all of them alike."
        )
    half = 0.5 * grid.spacing
    inside = (samples >= grid.low - half) & (samples < grid.high + half)
    if np.mean(~inside) > SHARE_BEYOND:
        raise ValueError(
            f"{np.sum(~inside)} of {samples.size} samples lie beyond the grid, which is"
            f" from {grid.low:g} to {grid.high:g}: shift and scale them to mean 0 and"
            " variance 1, or write a wider grid."
        )
    if bandwidth is None:
        first, third = np.percentile(samples, [25, 75])
        spread = min(samples.std(), (third - first) / 1.34) or samples.std()
        bandwidth = max(0.9 * float(spread) * samples.size**-0.2, grid.spacing)
    if not 0.0 < bandwidth < math.inf:
        raise ValueError(f"bandwidth = {bandwidth}: write a number above 0.")
    edges = np.linspace(grid.low - half, grid.high + half, grid.num + 1)
    counts, _ = np.histogram(samples[inside], edges)
    smooth = scipy.ndimage.gaussian_filter1d(
        counts.astype(np.float64),
        bandwidth / grid.spacing,
        mode="constant",
        truncate=8.0,
    )
    return of_values(grid, smooth)
