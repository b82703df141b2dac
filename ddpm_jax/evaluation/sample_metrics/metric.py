"""What a metric of samples is: figures of their features against a reference's."""

from collections.abc import Callable
from typing import NamedTuple

from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference

# By name.
Figures = dict[str, float]


class SampleMetric(NamedTuple):
    """One of the metrics of samples that config.eval.estimators may list.

    Attributes:
      measure: (reference, features of samples) -> figures. A ValueError of it is told as
        the config's.
      least_samples: that it needs.
    """

    measure: Callable[[Reference, ExtractedFeatures], Figures]
    least_samples: int = 1
