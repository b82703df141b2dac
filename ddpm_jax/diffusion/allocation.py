"""Where along time the draws of an estimate are worth most, from a pilot pass.

A stratum of width h, in which a draw deviates by s, adds h^2 s^2 to the variance of the
estimate. Strata of equal h s, narrow where draws deviate much, make the sum least for their
number (Neyman 1934). Draws stay even within a stratum, so that no weight jumps there.
"""

import numpy as np
from jaxtyping import Float

# This part of the strata is spread evenly, whatever the pilot says.
EVEN_SHARE = 0.1


def edges(
    variance: Float[np.ndarray, " bins"], num_strata: int
) -> Float[np.ndarray, " strata_and_one"]:
    """Borders of strata in which draws deviate equally much.

    Args:
      variance: of single draws in each of so many equal parts of [0, 1].
      num_strata: how many to make.

    Returns:
      num_strata + 1 increasing numbers from 0 to 1.
    """
    deviation = np.sqrt(np.maximum(variance, 0.0))
    share = deviation / np.sum(deviation) if np.any(deviation > 0.0) else deviation
    share = EVEN_SHARE / share.size + (1.0 - EVEN_SHARE) * share
    below = np.concatenate([[0.0], np.cumsum(share / np.sum(share))])
    found = np.interp(
        np.linspace(0.0, 1.0, num_strata + 1),
        below,
        np.linspace(0.0, 1.0, share.size + 1),
    )
    found[[0, -1]] = 0.0, 1.0
    return found


def variance_by_stratum(
    per_time: Float[np.ndarray, "draws examples"], num_strata: int
) -> Float[np.ndarray, " strata"]:
    """Mean over examples of a draw's variance in each stratum of `elbo.stratified`."""
    pairs = per_time.reshape(num_strata, 2, -1, per_time.shape[1]).mean(axis=2)
    return np.mean(np.square(pairs[:, 0] - pairs[:, 1]), axis=1)
