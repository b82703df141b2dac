"""Figures of continuous data: nats of a density, and the excess over the true one.

The excess is the mean of log p(x) - log q(x) over the evaluated points, p the density that they
were drawn from and q the model: an unbiased estimate of their Kullback-Leibler divergence where
-log q(x) is estimated, and of a bound above it where that is bounded. It is taken point by
point, so that what p itself varies by is in no error. It may come out below 0 by its errors.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from ddpm_jax.evaluation.results.saved import known

# Figures in nats, with standard errors over draws of noise and over points.
Figures = dict[str, float | None]


class Truth(NamedTuple):
    """The density that points were drawn from.

    Attributes:
      entropy: its entropy, nats.
      entropy_error: the standard error of that, nats; 0: it is exact.
      log_density: its logarithm at each point that is evaluated, in their order, nats.
    """

    entropy: float
    entropy_error: float
    log_density: Float64[np.ndarray, " points"]


def made(
    nats: Float64[np.ndarray, " points"],
    variance: Float64[np.ndarray, " points"],
    used: np.ndarray,
    num_dims: int,
    truth: Truth | None,
) -> dict[str, Any]:
    """The part of a report that only continuous data have.

    Args:
      nats: -log q of each point, an estimate.
      variance: its variance over draws of noise.
      used: whether each point is in the means.
      num_dims: coordinates of a point.
      truth: the density that the points were drawn from, where it is known.
    """
    part: dict[str, Any] = {"nats_per_point": _mean(nats[used], variance[used])}
    if truth is not None:
        unit = num_dims * math.log(2.0)
        excess = _mean((nats + truth.log_density)[used], variance[used])
        part["entropy_of_the_truth"] = {
            "nats": truth.entropy,
            "stderr": truth.entropy_error,
            "bits_per_dim": truth.entropy / unit,
        }
        part["excess_over_the_truth"] = {
            **excess,
            "bits_per_dim": None if excess["nats"] is None else excess["nats"] / unit,
        }
    return part


def _mean(nats: np.ndarray, variance: np.ndarray) -> Figures:
    num = nats.size
    if not num:
        return dict.fromkeys(("nats", "stderr", "stderr_points"))
    return {
        "nats": known(nats.mean()),
        "stderr": known(np.sqrt(np.sum(variance)) / num),
        "stderr_points": known(nats.std(ddof=1) / math.sqrt(num)) if num > 1 else None,
    }


def scalars(part: Mapping[str, Any], prefix: str) -> dict[str, float | None]:
    """The figures as a row of metrics, under names that begin with `prefix`."""
    names = {"nats_per_point": "nats", "excess_over_the_truth": "excess_nats"}
    return {
        f"{prefix}{name}{end}": part[field][key]
        for field, name in names.items()
        if field in part
        for key, end in (
            ("nats", ""),
            ("stderr", "_stderr"),
            ("stderr_points", "_stderr_points"),
        )
    }
