"""Mean and covariance of features, accumulated batch by batch.

Two parts of a sample, of num_a and num_b examples, with sums of squared deviations S_a, S_b:

    mean = mean_a + num_b/num delta,   S = S_a + S_b + num_a num_b/num delta delta^T

with delta = mean_b - mean_a (Chan, Golub & LeVeque 1983, eq. 2.1): no difference of large
sums is taken, so an offset common to all examples costs no digits.
"""

import dataclasses
import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ddpm_jax.metrics.features import Features, check


@dataclasses.dataclass(frozen=True)
class Moments:
    """First and second moments of a sample of features.

    Attributes:
      num: number of examples.
      mean: mean of each feature, float64.
      covariance: unbiased covariance (divided by num - 1, as np.cov), float64.
    """

    num: int
    mean: Float[np.ndarray, " features"]
    covariance: Float[np.ndarray, "features features"]


class _Part(NamedTuple):
    """Moments in the form that is defined for a single example as well.

    Attributes:
      num: number of examples.
      mean: mean of each feature.
      scatter: sum of squared deviations from the mean, (num - 1) covariance.
    """

    num: int
    mean: Float[np.ndarray, " features"]
    scatter: Float[np.ndarray, "features features"]


def from_features(features: Features) -> Moments:
    """The moments of one array of examples.

    Raises:
      ValueError: fewer than 2 examples, or features that are not finite.
    """
    return from_batches([features])


def from_batches(batches: Iterable[Features]) -> Moments:
    """The moments of all batches' examples together; a batch may hold one example.

    Raises:
      ValueError: fewer than 2 examples in all, features that are not finite, or a batch
        with another number of them.
    """
    parts = map(_part, batches)
    first = next(parts, None)
    if first is None:
        raise ValueError("there are 0 batches, but a covariance needs 2 examples.")
    total = functools.reduce(_joined, parts, first)
    if total.num < 2:
        raise ValueError(f"there is {total.num} example, but a covariance needs 2.")
    return Moments(total.num, total.mean, total.scatter / (total.num - 1))


def merged(a: Moments, b: Moments) -> Moments:
    """The moments of two samples' examples together.

    Raises:
      ValueError: the numbers of features differ.
    """
    parts = [_Part(m.num, m.mean, (m.num - 1) * m.covariance) for m in (a, b)]
    total = _joined(*parts)
    return Moments(total.num, total.mean, total.scatter / (total.num - 1))


def _part(features: Features) -> _Part:
    check(features, "a batch", 1, "a mean")
    values = features.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    return _Part(len(values), mean, values.T @ values)


def _joined(a: _Part, b: _Part) -> _Part:
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f"some examples have {len(a.mean)} features and others {len(b.mean)}: take"
            " all from one layer of one network."
        )
    num = a.num + b.num
    delta = b.mean - a.mean
    return _Part(
        num,
        a.mean + delta * (b.num / num),
        a.scatter + b.scatter + np.outer(delta, delta) * (a.num * b.num / num),
    )
