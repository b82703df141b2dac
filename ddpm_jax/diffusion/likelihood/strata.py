"""Optimal strata of time for the bound's estimate, from a pilot pass.

A stratum of width h, whose two pairs of mirrored draws have means with standard deviation s,
adds h^2 s^2 / 2 to the variance of the estimate. s is not a density that could be integrated:
the curvature that a pair misses falls with h, the noise does not. So the pilot takes many draws
of each of its examples, s^2 is estimated for every interval of time between two of its borders,
and the strata are the intervals that minimise the sum.

The pilot has its own noise, and draws stay uniform within a stratum, so that no weight depends
on the pilot and the estimate remains unbiased.
"""

import numpy as np
from jaxtyping import Float

# The number of the pilot's draws between two neighbouring borders.
PER_BIN = 4


def edges(
    t: Float[np.ndarray, "draws examples"],
    per_time: Float[np.ndarray, "draws examples"],
    num_strata: int,
) -> Float[np.ndarray, " strata_and_one"]:
    """The borders of the strata that minimise the variance of the bound's estimate.

    Args:
      t: times of the pilot's draws: for each example, PER_BIN in each of equal bins of
        [0, 1], as `elbo.stratified` draws them.
      per_time: the draws in nats per unit of time. Examples with one that is not finite
        are left out; if there are no others, strata are of equal width.
      num_strata: number of strata, at most the number of bins.

    Returns:
      num_strata + 1 increasing numbers from 0 to 1.
    """
    finite = np.all(np.isfinite(per_time), axis=0)
    if not np.any(finite):
        return np.linspace(0.0, 1.0, num_strata + 1)
    t, per_time = t[:, finite], per_time[:, finite]
    order = np.argsort(t, axis=0)
    values = np.take_along_axis(per_time, order, axis=0)
    num_bins = t.shape[0] // PER_BIN
    cost = np.full((num_bins + 1, num_bins + 1), np.inf)
    for start in range(num_bins):
        for stop in range(start + 1, num_bins + 1):
            width = (stop - start) / num_bins
            within = values[PER_BIN * start : PER_BIN * stop]
            cost[start, stop] = width**2 * _variance_of_pairs(within)

    # least[n, stop]: cost of the best n strata up to stop; start_of: where the last begins.
    least = np.full((num_strata + 1, num_bins + 1), np.inf)
    least[0, 0] = 0.0
    start_of = np.zeros((num_strata + 1, num_bins + 1), int)
    for number in range(1, num_strata + 1):
        through = least[number - 1][:, None] + cost
        start_of[number] = np.argmin(through, axis=0)
        least[number] = np.min(through, axis=0)
    borders = [num_bins]
    for number in range(num_strata, 0, -1):
        borders.append(int(start_of[number, borders[-1]]))
    return np.array(borders[::-1]) / num_bins


def _variance_of_pairs(values: Float[np.ndarray, "draws examples"]) -> float:
    """The variance of the mean of two mirrored draws in an interval, averaged over examples."""
    half = values.shape[0] // 2
    pairs = 0.5 * (values[:half] + values[::-1][:half])
    return float(np.mean(np.var(pairs, axis=0, ddof=1)))
