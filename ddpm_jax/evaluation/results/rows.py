"""Rows of an evaluation: the figures of each image, and sums of draws along log SNR."""

import math
from collections.abc import Sequence

import numpy as np

from ddpm_jax.diffusion.likelihood.estimate import Estimate

# Arrays of images, [n]: index, evaluations, converged, nats.<term> and variance.<term>, both
# with "total"; halves [n, 2]. Of a batch: profile [1, 3, NUM_BINS], count, sum and sum of
# squares of the loss per unit of log SNR, and ends [1, 2], the log SNRs it lies between.
Rows = dict[str, np.ndarray]
# Bins of log SNR in the picture of the loss.
NUM_BINS = 32


def of_batch(
    estimate: Estimate, ends: np.ndarray, index: np.ndarray, kept: np.ndarray
) -> Rows:
    """The rows of a batch, without padding.

    Args:
      estimate: estimate of the whole batch, on the host.
      ends: log SNR at t = 0 and t = 1.
      index: index of each example in the data set.
      kept: False for padding.
    """
    rows = {
        "index": index.astype(np.int64),
        "evaluations": np.asarray(estimate.num_evaluations, np.float64),
        "converged": np.asarray(estimate.converged),
        "halves": np.asarray(estimate.halves, np.float64).T,
        "variance.total": np.asarray(estimate.total_variance, np.float64),
    }
    terms = estimate.terms._asdict().items()
    nats = {f"nats.{name}": np.asarray(values, np.float64) for name, values in terms}
    rows |= nats | {"nats.total": np.sum(list(nats.values()), axis=0)}
    for name, values in estimate.draw_variance._asdict().items():
        rows[f"variance.{name}"] = np.asarray(values, np.float64)
    rows = {name: values[kept] for name, values in rows.items()}
    if estimate.profile is not None:
        log_snr = np.asarray(estimate.profile.log_snr, np.float64)[:, kept].ravel()
        loss = np.asarray(estimate.profile.per_log_snr, np.float64)[:, kept].ravel()
        high, low = np.asarray(ends, np.float64)
        edges = np.linspace(low, high, NUM_BINS + 1)
        place = np.clip(np.searchsorted(edges, log_snr) - 1, 0, NUM_BINS - 1)
        powers = [np.bincount(place, loss**p, NUM_BINS) for p in (0, 1, 2)]
        rows["profile"] = np.stack(powers)[None]
        rows["ends"] = np.array([[low, high]])
    return rows


def joined(rows: Sequence[Rows]) -> Rows:
    """The rows of all batches as those of one; of none, nothing."""
    if not rows:
        return {}
    return {name: np.concatenate([batch[name] for batch in rows]) for name in rows[0]}


def loss_by_log_snr(
    rows: Rows, num_dims: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """The bound along log SNR in bits per dim, as `plots.loss_by_log_snr` takes it.

    Returns:
      Log SNR, mean of the loss per unit of it, that mean's standard error, and the standard
      deviation of the draws (for "full", of their means at a time); None where the
      estimator does not know.
    """
    if "profile" not in rows:
        return None
    num, total, square = rows["profile"].sum(axis=0)
    low, high = rows["ends"][0]
    edges = np.linspace(low, high, NUM_BINS + 1)
    has_draws = num > 1
    num, total, square = num[has_draws], total[has_draws], square[has_draws]
    mean = total / num
    std = np.sqrt(np.maximum(square / num - mean**2, 0.0) * num / (num - 1))
    centre = 0.5 * (edges[1:] + edges[:-1])[has_draws]
    unit = num_dims * math.log(2.0)
    return centre, mean / unit, std / np.sqrt(num) / unit, std / unit
