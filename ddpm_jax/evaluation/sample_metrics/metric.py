"""The interface of sample metrics: figures of samples' features against a reference's."""

from collections.abc import Callable
from typing import NamedTuple

from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference

# Figures by name.
Figures = dict[str, float]


class SampleMetric(NamedTuple):
    """A metric of samples.

    Attributes:
      measure: (reference, features of samples) -> figures. A ValueError of it is told as
        the config's.
      least_samples: the number of samples that it needs.
    """

    measure: Callable[[Reference, ExtractedFeatures], Figures]
    least_samples: int = 1
