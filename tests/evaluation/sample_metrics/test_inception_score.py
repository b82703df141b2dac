"""The inception score of log probabilities that are known."""

import numpy as np
import pytest

from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.sample_metrics import inception_score
from tests.evaluation.sample_metrics import known

REAL = known.reference(known.features(0, 9))


def score(p):
    """exp of the mean divergence from the mean."""
    p = np.asarray(p, np.float64)
    return np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(axis=0))), axis=1)))


@pytest.mark.parametrize(("num", "num_splits"), [(100, 10), (23, 10), (7, 7)])
def test_it_is_the_mean_over_splits_of_which_there_are_ten_at_most(num, num_splits):
    seen = known.seen(3.0 * known.features(1, num))
    expected = [
        score(part) for part in np.array_split(np.exp(seen.log_probs), num_splits)
    ]
    found = inception_score.measure(REAL, seen)
    assert found.keys() == {"inception_score"}
    np.testing.assert_allclose(found["inception_score"], np.mean(expected), rtol=1e-5)


def test_what_float32_leaves_of_a_sum_is_taken_off():
    seen = known.seen(known.features(2, 50))
    off = ExtractedFeatures(seen.features, seen.log_probs + np.float32(0.01))
    found, expected = (
        inception_score.measure(REAL, s)["inception_score"] for s in (off, seen)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
