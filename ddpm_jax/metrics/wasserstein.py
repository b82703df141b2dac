"""Wasserstein distance W1: the mean way that mass must go to make one distribution another.

On a line it is the area between the distribution functions, or between the quantiles:

    W1(p, q) = integral |F_p(x) - F_q(x)| dx = integral_0^1 |Q_p(u) - Q_q(u)| du

for samples exactly a sum over their sorted values. In more dimensions it is sliced: the mean
of W1 of the projections onto unit vectors (Rabin et al. 2011, sliced Wasserstein distance),
which is at most W1 itself. Units are those of the features.

W1 of two samples of one distribution is not 0: in few dimensions it falls as one over the
root of their number, so that a distance is read beside that of true samples.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ddpm_jax.metrics.features import Features, check, check_pair

NUM_DIRECTIONS = 128
# Where an area is integrated numerically: points between two neighbouring samples at least,
# and points in all at least.
NUM_BETWEEN, NUM_POINTS = 8, 32_768

Values = Float[np.ndarray, " _"]


def distance(real: Features, generated: Features) -> float:
    """W1 of features, exact for one feature and sliced for more; symmetric.

    Raises:
      ValueError: there are no examples of a kind, features that are not finite, or
        different numbers of them.
    """
    check(real, "real", 1, "a distance")
    check(generated, "generated", 1, "a distance")
    check_pair(real.shape[1], generated.shape[1])
    quantiles = _quantiles(len(real), len(generated))
    each = [
        _area(real @ direction, generated @ direction, quantiles)
        for direction in directions(real.shape[1])
    ]
    return float(np.mean(each))


def on_a_line(a: Values, b: Values) -> float:
    """W1 of two samples on a line, exactly, whatever their numbers."""
    return _area(a, b, _quantiles(a.size, b.size))


class _Quantiles(NamedTuple):
    """The pieces of [0, 1] on which the quantiles of two samples are both constant.

    Attributes:
      of_a: place of the first's quantile among its sorted values, on each piece.
      of_b: the second's.
      width: length of the piece.
    """

    of_a: Int[np.ndarray, " pieces"]
    of_b: Int[np.ndarray, " pieces"]
    width: Float[np.ndarray, " pieces"]


def _quantiles(num_a: int, num_b: int) -> _Quantiles:
    """The pieces for samples of these numbers, between the multiples of 1/n and of 1/m."""
    num = math.lcm(num_a, num_b)
    steps = np.union1d(
        np.arange(num_a + 1) * (num // num_a), np.arange(num_b + 1) * (num // num_b)
    )
    start, width = steps[:-1], np.diff(steps) / num
    return _Quantiles(start * num_a // num, start * num_b // num, width)


def _area(a: Values, b: Values, quantiles: _Quantiles) -> float:
    a, b = np.sort(a.astype(np.float64)), np.sort(b.astype(np.float64))
    apart = np.abs(a[quantiles.of_a] - b[quantiles.of_b])
    return float(np.sum(quantiles.width * apart))


def to_cdf(
    samples: Values, cdf: Callable[[Values], Values], low: float, high: float
) -> float:
    """W1 of a sample on a line to the distribution of a distribution function.

    The area between the two functions, by the trapezoidal rule between the samples' steps.

    Args:
      samples: values on the line.
      cdf: distribution function of float64 values, continuous.
      low: value below which it is 0, but for rounding.
      high: value above which it is 1, but for rounding.

    Raises:
      ValueError: there are no samples, or one is not finite.
    """
    check(samples[:, None], "samples", 1, "a distance")
    ordered = np.sort(samples.astype(np.float64))
    ends = np.array([min(low, ordered[0]), max(high, ordered[-1])])
    knots = np.concatenate([ends[:1], ordered, ends[1:]])
    height = np.arange(ordered.size + 1) / ordered.size
    num = max(NUM_BETWEEN, NUM_POINTS // ordered.size)
    x = np.linspace(knots[:-1], knots[1:], num + 1, axis=-1)
    area = np.trapezoid(np.abs(cdf(x.ravel()).reshape(x.shape) - height[:, None]), x)
    return float(np.sum(area))


def directions(num_features: int) -> Float[np.ndarray, "directions features"]:
    """The unit vectors of the slices, the same at each call.

    For two features they divide the half circle evenly, which integrates over directions
    to the sixth digit; for more they are random, from a seed of their own.
    """
    if num_features == 1:
        return np.ones((1, 1))
    if num_features == 2:
        angle = np.pi * (np.arange(NUM_DIRECTIONS) + 0.5) / NUM_DIRECTIONS
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    vectors = np.random.default_rng(0).standard_normal((NUM_DIRECTIONS, num_features))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
