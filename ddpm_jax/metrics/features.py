"""Features of examples, and the checks that every metric makes of them.

Features are rows, [examples, features], of float32 or float64; metrics compute in float64.
They are the output of some network, usually Inception: a metric is only comparable to one
of the same network, layer and preparation of images.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

# [examples, features], or [examples, classes].
Features = Float[np.ndarray, "_ _"]

# Examples in a block: the distances or kernels between two blocks take 32 MB.
BLOCK = 2048


def check(features: Features, name: str, at_least: int, purpose: str) -> None:
    """Checks that there are enough examples, and that all their features are finite.

    Args:
      features: features of the examples.
      name: name of the examples, with which the message begins.
      at_least: number of examples needed.
      purpose: the computation that needs them, for the message.

    Raises:
      ValueError: there are fewer examples, no feature, or one that is not finite.
    """
    num, num_features = features.shape
    if num < at_least:
        raise ValueError(f"{name}: {num} examples, but {purpose} needs {at_least}.")
    if num_features == 0:
        raise ValueError(f"{name}: examples have no features: give 1 or more.")
    for start, block in blocks(features):
        is_finite = np.isfinite(block).all(axis=1)
        if not is_finite.all():
            first = start + int(np.argmin(is_finite))
            raise ValueError(
                f"{name}: features of example {first} are not finite: leave it out, or"
                " see why."
            )


def check_pair(real: int, generated: int) -> None:
    """Checks that real and generated examples have the same number of features.

    Raises:
      ValueError: they do not.
    """
    if real != generated:
        raise ValueError(
            f"real examples have {real} features and generated ones {generated}: take"
            " both from one layer of one network."
        )


def blocks(features: Features) -> Iterator[tuple[int, Features]]:
    """Yields (index of the first, features in float64) of at most `BLOCK` examples in order."""
    for start in range(0, len(features), BLOCK):
        yield start, features[start : start + BLOCK].astype(np.float64)
