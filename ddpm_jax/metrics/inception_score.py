"""Inception score: how certain a classifier is of each sample, and how varied its classes.

    exp(E_x KL(p(y|x) || p(y))),    p(y) = E_x p(y|x)

(Salimans et al. 2016, arXiv:1606.03498, section 4): 1 if all samples get the same p(y|x), and
the number of classes if each is certain and all classes come equally often. It never sees
the data.
"""

from typing import NamedTuple

import numpy as np

from ddpm_jax.metrics.features import Features

# Float32 probabilities of a thousand classes sum to 1 far closer than this.
TOLERANCE = 1e-3


class Score(NamedTuple):
    """An inception score over one or more splits of the samples.

    Attributes:
      mean: mean of the splits' scores.
      standard_deviation: standard deviation of the splits' scores (with n, not n - 1, as
        usually reported); 0 for one split.
    """

    mean: float
    standard_deviation: float


def score(log_probs: Features, num_splits: int = 1) -> Score:
    """The score over consecutive splits of equal size; examples must be in random order.

    A smaller split scores lower, so only scores of as many examples and splits compare; 10
    splits of 50 000 samples are the convention.

    Args:
      log_probs: log p(y|x), [examples, classes]; -inf is a class ruled out.
      num_splits: number of splits.

    Raises:
      ValueError: fewer examples than splits, num_splits below 1, or rows that are not
        logarithms of probabilities.
    """
    if num_splits < 1:
        raise ValueError(f"num_splits = {num_splits}: write 1 or more.")
    if len(log_probs) < num_splits:
        raise ValueError(
            f"{len(log_probs)} examples, but num_splits = {num_splits} needs {num_splits}."
        )
    values = log_probs.astype(np.float64)
    _check_normalised(values)
    scores = [_split_score(split) for split in np.array_split(values, num_splits)]
    return Score(float(np.mean(scores)), float(np.std(scores)))


def _check_normalised(log_probs: Features) -> None:
    # The sum is no number near 0 for NaN and +inf, and -inf for a row without any class.
    with np.errstate(invalid="ignore"):
        totals = np.logaddexp.reduce(log_probs, axis=1, initial=-np.inf)
    is_close = np.abs(totals) < TOLERANCE
    if not is_close.all():
        first = int(np.argmin(is_close))
        raise ValueError(
            f"log_probs of example {first} have the log sum {totals[first]:.3g}, not 0:"
            " give finite log_softmax(logits)."
        )


def _split_score(log_probs: Features) -> float:
    marginal = np.logaddexp.reduce(log_probs, axis=0) - np.log(len(log_probs))
    # p log p is 0 at p = 0, where the difference of logarithms may be -inf + inf.
    is_possible = np.isfinite(log_probs)
    gains = np.subtract(
        log_probs, marginal, where=is_possible, out=np.zeros_like(log_probs)
    )
    return float(np.exp(np.mean(np.sum(np.exp(log_probs) * gains, axis=1))))
