"""Distances of the samples' features from the training images': Frechet's and a kernel's."""

import numpy as np

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.sample_metrics.metric import Figures, SampleMetric
from ddpm_jax.metrics import frechet, kernel, moments

# Above so many examples, the kernel distance is a mean over subsets of so many.
MOST_PAIRED = 10_000
SUBSET = 1000


def fid(real: Reference, samples: ExtractedFeatures) -> Figures:
    """The Frechet distance."""
    return {
        "fid": frechet.distance(real.moments, moments.from_features(samples.features))
    }


def kid(real: Reference, samples: ExtractedFeatures) -> Figures:
    """The kernel distance."""
    if max(len(real.features), len(samples.features)) <= MOST_PAIRED:
        return {"kid": kernel.distance(real.features, samples.features)}
    # Subsets are no larger than a small data set.
    size = min(SUBSET, len(real.features), len(samples.features))
    found = kernel.mean_over_subsets(
        real.features, samples.features, np.random.default_rng(0), subset_size=size
    )
    return {"kid": found.mean}


# "compares_covariances": with no more samples than features, theirs has no full rank.
FID = Choice(
    Options,
    lambda _: SampleMetric(fid, least_samples=2),
    frozenset({"of_samples", "compares_covariances"}),
)
KID = Choice(
    Options,
    lambda _: SampleMetric(kid, least_samples=2),
    frozenset({"of_samples", "needs_independent_samples"}),
)
