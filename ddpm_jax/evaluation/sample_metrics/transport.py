"""The Wasserstein distance of the samples' features from the reference's."""

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.sample_metrics.metric import Figures, SampleMetric
from ddpm_jax.metrics import wasserstein


def measure(real: Reference, samples: ExtractedFeatures) -> Figures:
    """W1, exact for one feature and sliced for more, in the features' units."""
    return {"wasserstein": wasserstein.distance(real.features, samples.features)}


CHOICE = Choice(Options, lambda _: SampleMetric(measure), frozenset({"of_samples"}))
