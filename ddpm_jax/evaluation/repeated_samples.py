"""Repeated samples of config.sample, with an extractor's features.

Repetition r has the numbers r N to (r + 1) N - 1, counted from config.sample.first, so that
repetitions are independent.
"""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core import progress, sharding
from ddpm_jax.evaluation import convention
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures, Extractor
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import analytic_variance, guides, sample_batches


class Repetition(NamedTuple):
    """The samples of one repetition.

    Attributes:
      features: the extractor's features of the samples.
      labels: class that each was drawn for; -1: none.
      num_evaluations: mean number of evaluations of the network for a sample.
      seconds: time of drawing, without extraction.
    """

    features: ExtractedFeatures
    labels: Int[np.ndarray, " samples"]
    num_evaluations: float
    seconds: float

    @property
    def accuracy(self) -> float:
        """The share of samples that the extractor assigns to the class they were drawn for."""
        has_class = self.labels >= 0
        classes = np.argmax(self.features.log_probs, 1)
        return float(np.mean(classes[has_class] == self.labels[has_class]))


class RepeatedSamples:
    """Draws the samples of one repetition after another, with features; compiles once.

    Args:
      config: config of the run.
      restored: the model that is sampled.
      extractor: extractor of the samples' features.
    """

    def __init__(
        self, config: Config, restored: Restored[Denoiser], extractor: Extractor
    ) -> None:
        guide = guides.of(config, restored)
        # Fingerprints of the guide's arrays.
        self._others = guides.identity(config, guide)
        self._config = config
        log_variance = analytic_variance.of(config, restored, guide)
        self._batches = sample_batches.Batches(
            config, restored.mesh, restored.model, guide, log_variance=log_variance
        )
        self._restored, self._extractor = restored, extractor
        self._num, self._size = (
            config.eval.quality.num_samples,
            config.sample.batch_size,
        )
        self._first = config.sample.first

    def convention(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """The convention of their figures, against the reference of this identity."""
        return convention.of_samples(
            self._config, reference, self._restored.step, self._others
        )

    def warm_up(self) -> None:
        """Draws one batch with features, so that all is compiled."""
        batch = self._batches.draw(self._restored.params, 0)
        self._extractor.extract(sharding.put_whole(self._restored.mesh, batch.pixels))

    def draw(self, number: int) -> Repetition:
        """Draws the repetition of the given number."""
        first, seconds = self._first + number * self._num, 0.0
        features, labels, evaluations = [], [], []
        bar = progress.Bar(f"sampling ({number + 1})", self._num)
        with bar:
            for start in range(0, self._num, self._size):
                kept = min(self._size, self._num - start)
                begun = time.perf_counter()
                batch = self._batches.draw(self._restored.params, first + start, bar)
                seconds += time.perf_counter() - begun
                pixels = sharding.put_whole(self._restored.mesh, batch.pixels)
                features.append(
                    [part[:kept] for part in self._extractor.extract(pixels)]
                )
                labels.append(batch.labels[:kept])
                evaluations.append(np.mean(batch.num_evaluations))
                bar.update(kept)
        whole = ExtractedFeatures(
            *(np.concatenate(parts) for parts in zip(*features, strict=True))
        )
        return Repetition(
            whole, np.concatenate(labels), float(np.mean(evaluations)), seconds
        )
