"""Fidelity and variety apart, by the nearest neighbours of samples and of training images."""

import numpy as np
from jaxtyping import Float

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.evaluation import reference
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.sample_metrics.metric import Figures, SampleMetric
from ddpm_jax.metrics import neighbours


def precision_recall(real: Reference, seen: ExtractedFeatures) -> Figures:
    """How many samples are like the data, and how much of it they are like."""
    found = neighbours.precision_recall(real.features, _some(seen))
    return found._asdict()


def density_coverage(real: Reference, seen: ExtractedFeatures) -> Figures:
    """The same by counts, which outliers among the images do not raise."""
    found = neighbours.density_coverage(real.features, _some(seen))
    return found._asdict()


def _some(seen: ExtractedFeatures) -> Float[np.ndarray, "some features"]:
    """As many as the reference keeps, at most."""
    return np.asarray(seen.features[: reference.MOST_KEPT])


# One more than the neighbours that it looks at.
PRECISION_RECALL = Choice(
    Options,
    lambda _: SampleMetric(precision_recall, least_samples=4),
    frozenset({"of_samples"}),
)
DENSITY_COVERAGE = Choice(
    Options,
    lambda _: SampleMetric(density_coverage, least_samples=6),
    frozenset({"of_samples"}),
)
