"""The score against its definition and where it is known."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from ddpm_jax.metrics import inception_score


def certain(classes, num_classes):
    with np.errstate(divide="ignore"):
        return np.log(np.eye(num_classes)[classes])


def random_log_probs(rng, num=40, num_classes=7, dtype=np.float64):
    logits = 3.0 * rng.normal(size=(num, num_classes))
    return scipy.special.log_softmax(logits, axis=1).astype(dtype)


def by_definition(log_probs):
    probs = np.exp(log_probs.astype(np.float64))
    marginal = probs.mean(axis=0)
    return np.exp(np.mean([scipy.stats.entropy(p, marginal) for p in probs]))


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-6)])
def test_it_is_the_definition(dtype, rtol, rng):
    log_probs = random_log_probs(rng, dtype=dtype)
    got = inception_score.score(log_probs)
    np.testing.assert_allclose(got.mean, by_definition(log_probs), rtol=rtol)
    assert got.standard_deviation == 0.0


def test_samples_that_all_get_one_answer_score_one(rng):
    for row in (np.full(10, -np.log(10.0)), random_log_probs(rng)[0], certain(3, 10)):
        got = inception_score.score(np.tile(row, (20, 1)))
        np.testing.assert_allclose(got.mean, 1.0, rtol=1e-12)


@pytest.mark.parametrize("num_seen", [1, 4, 10])
def test_certain_answers_score_as_many_as_there_are(num_seen):
    log_probs = certain(np.arange(20 * num_seen) % num_seen, 10)
    got = inception_score.score(log_probs)
    np.testing.assert_allclose(got.mean, num_seen, rtol=1e-12)


def test_probabilities_too_small_for_floats_are_added_as_logarithms():
    """Of exp(-2000) twice: p log p vanishes, and nothing becomes NaN."""
    row = np.array([0.0, -2000.0, -2000.0])
    got = inception_score.score(np.stack([row, row[[1, 0, 2]]]))
    np.testing.assert_allclose(got.mean, 2.0, rtol=1e-12)


def test_splits_are_scored_apart(rng):
    log_probs = random_log_probs(rng, num=50)
    got = inception_score.score(log_probs, num_splits=10)
    expected = [by_definition(split) for split in np.split(log_probs, 10)]
    np.testing.assert_allclose(got.mean, np.mean(expected), rtol=1e-12)
    np.testing.assert_allclose(got.standard_deviation, np.std(expected), rtol=1e-12)


def test_splits_that_do_not_come_out_even_leave_nobody_out():
    """7 examples, 3 splits of 3, 2 and 2: certain, each with its own classes."""
    got = inception_score.score(certain([0, 1, 2, 3, 4, 5, 6], 7), num_splits=3)
    np.testing.assert_allclose(got.mean, (3.0 + 2.0 + 2.0) / 3.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("num", "num_splits", "message"),
    [
        (3, 0, "num_splits = 0: write 1 or more"),
        (3, 4, "3 examples, but num_splits = 4 needs 4"),
        (0, 1, "0 examples, but num_splits = 1 needs 1"),
    ],
)
def test_splits_have_examples(num, num_splits, message, rng):
    with pytest.raises(ValueError, match=message):
        inception_score.score(random_log_probs(rng, num), num_splits)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "row",
    [
        [0.25, 0.25, 0.5],
        [3.0, -1.0, 2.0],
        [np.nan, 0.0, -np.inf],
        [np.inf, 0.0, 0.0],
        [-np.inf, -np.inf, -np.inf],
    ],
    ids=["probabilities", "logits", "nan", "infinite", "no class"],
)
def test_rows_that_are_no_log_probabilities_are_named(row, rng):
    log_probs = random_log_probs(rng, num_classes=3)
    log_probs[5] = row
    with pytest.raises(ValueError, match=r"log_probs of example 5 have .* log_softmax"):
        inception_score.score(log_probs)
