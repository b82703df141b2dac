"""The inception score: how sure a judge is of each sample, and how many classes it sees."""

import numpy as np

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.sample_metrics.metric import Figures, SampleMetric
from ddpm_jax.metrics import inception_score

NUM_SPLITS = 10  # The convention.


def measure(_: Reference, samples: ExtractedFeatures) -> Figures:
    """The mean over splits of exp E KL(p(y|x) || p(y)); no reference is needed."""
    num_splits = min(NUM_SPLITS, len(samples.log_probs))
    log_probs = np.asarray(samples.log_probs, np.float64)
    # Removes the rounding error of float32 in a sum that is 1.
    log_probs -= np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
    return {"inception_score": inception_score.score(log_probs, num_splits).mean}


CHOICE = Choice(
    Options,
    lambda _: SampleMetric(measure),
    frozenset({"of_samples", "by_classes"}),
)
