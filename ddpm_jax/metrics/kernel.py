"""Kernel distance: squared maximum mean discrepancy (MMD); for Inception features, the KID.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),    k(x, y) = (x.y/d + 1)^3

for independent x, x' real and y, y' generated, of d features (Binkowski et al. 2018,
arXiv:1801.01401, section 4). It sees the first three moments. Both estimators are unbiased
for any number of examples, so they may be below 0.
"""

from typing import NamedTuple

import numpy as np

from ddpm_jax.metrics.features import Features, blocks, check, check_pair


class Estimate(NamedTuple):
    """A mean of MMD^2 over random subsets.

    Attributes:
      mean: mean of the subsets' MMD^2.
      standard_error: standard error of the mean that comes from drawing subsets; the error
        from the finite number of examples is not in it.
    """

    mean: float
    standard_error: float


def distance(real: Features, generated: Features) -> float:
    """MMD^2 over all pairs of examples, in bounded memory.

    Raises:
      ValueError: fewer than 2 examples of a kind, features that are not finite, or
        different numbers of them.
    """
    _check(real, generated, 2, "an unbiased MMD")
    return _unbiased(real, generated)


def mean_over_subsets(
    real: Features,
    generated: Features,
    rng: np.random.Generator,
    num_subsets: int = 100,
    subset_size: int = 1000,
) -> Estimate:
    """Mean MMD^2 of random subsets, as usually reported: a thousandth of the work.

    The spread that is often reported beside it is that of one subset: the standard error
    times sqrt(num_subsets).

    Args:
      real: examples of the data.
      generated: samples.
      rng: generator of the subsets, each drawn without replacement.
      num_subsets: number of subsets of each, paired.
      subset_size: examples in a subset.

    Raises:
      ValueError: fewer examples than `subset_size`, features that are not finite, different
        numbers of them, num_subsets or subset_size below 2.
    """
    for name, value in (("num_subsets", num_subsets), ("subset_size", subset_size)):
        if value < 2:
            raise ValueError(f"{name} = {value}: write 2 or more.")
    _check(real, generated, subset_size, f"subset_size = {subset_size}")
    values = [
        _unbiased(
            *(
                examples[rng.choice(len(examples), subset_size, replace=False)]
                for examples in (real, generated)
            )
        )
        for _ in range(num_subsets)
    ]
    error = np.std(values, ddof=1) / np.sqrt(num_subsets)
    return Estimate(float(np.mean(values)), float(error))


def _check(real: Features, generated: Features, at_least: int, purpose: str) -> None:
    check(real, "real", at_least, purpose)
    check(generated, "generated", at_least, purpose)
    check_pair(real.shape[1], generated.shape[1])


def _unbiased(real: Features, generated: Features) -> float:
    """The U-statistic (Gretton et al. 2012, eq. 3), for any two numbers of examples."""
    between = _sum_of_kernels(real, generated) / (len(real) * len(generated))
    return _mean_within(real) + _mean_within(generated) - 2.0 * between


def _mean_within(a: Features) -> float:
    """The mean kernel over all pairs of different examples."""
    diagonal = sum(
        _cubic(np.square(block).sum(axis=1), a.shape[1]).sum() for _, block in blocks(a)
    )
    return float(_sum_of_kernels(a, a) - diagonal) / (len(a) * (len(a) - 1))


def _sum_of_kernels(a: Features, b: Features) -> float:
    return float(
        sum(
            _cubic(block @ other.T, a.shape[1]).sum()
            for _, block in blocks(a)
            for _, other in blocks(b)
        )
    )


def _cubic(products: np.ndarray, num_features: int) -> np.ndarray:
    """Kernels from inner products."""
    return (products / num_features + 1.0) ** 3
