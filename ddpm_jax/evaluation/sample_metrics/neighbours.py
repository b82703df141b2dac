"""Fidelity and variety apart, by the nearest neighbours of samples and of training images."""

import numpy as np
from jaxtyping import Float

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.evaluation import reference
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.sample_metrics.metric import Figures, SampleMetric
from ddpm_jax.metrics import neighbours


def precision_recall(real: Reference, samples: ExtractedFeatures) -> Figures:
    """Precision and recall of samples."""
    found = neighbours.precision_recall(_some(real), _some(samples))
    return found._asdict()


def density_coverage(real: Reference, samples: ExtractedFeatures) -> Figures:
    """Density and coverage of samples, which outliers among the images do not raise."""
    found = neighbours.density_coverage(_some(real), _some(samples))
    return found._asdict()


def _some(
    examples: Reference | ExtractedFeatures,
) -> Float[np.ndarray, "some features"]:
    """The first examples, at most as many as a reference of images keeps."""
    return np.asarray(examples.features[: reference.MOST_KEPT])


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
