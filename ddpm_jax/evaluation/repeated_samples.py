"""Samples of config.sample in repetitions, as an extractor sees them.

Repetition r has the numbers r N to (r + 1) N - 1, so that repetitions are independent.
"""

import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core import progress, sharding
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures, Extractor
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import analytic_variance, guides, sample_batches


class Repetition(NamedTuple):
    """The samples of one repetition.

    Attributes:
      seen: what the extractor made of each.
      labels: the class that each was drawn for; -1: none.
      num_evaluations: of the network, a sample, on average.
      seconds: that drawing took, without the looking.
    """

    seen: ExtractedFeatures
    labels: Int[np.ndarray, " samples"]
    num_evaluations: float
    seconds: float

    @property
    def accuracy(self) -> float:
        """How often the extractor's class is the one that a sample was drawn for."""
        told = self.labels >= 0
        classes = np.argmax(self.seen.log_probs, 1)
        return float(np.mean(classes[told] == self.labels[told]))


class RepeatedSamples:
    """Draws and looks at the samples of one repetition after another; compiles once.

    Args:
      config: of the run.
      restored: whose samples.
      extractor: that sees them.
    """

    def __init__(
        self, config: Config, restored: Restored[Denoiser], extractor: Extractor
    ) -> None:
        guide = guides.of(config, restored)
        # What tells the guide's arrays from others.
        self.others = guides.identity(config, guide)
        log_variance = analytic_variance.of(config, restored, guide)
        self._batches = sample_batches.Batches(
            config, restored.mesh, restored.model, guide, log_variance=log_variance
        )
        self._restored, self._extractor = restored, extractor
        self._num, self._size = (
            config.eval.quality.num_samples,
            config.sample.batch_size,
        )

    def warm_up(self) -> None:
        """Draws and looks at one batch: what compiles is compiled."""
        batch = self._batches.draw(self._restored.params, 0)
        self._extractor.look(sharding.put_whole(self._restored.mesh, batch.pixels))

    def draw(self, number: int) -> Repetition:
        """Repetition `number`."""
        first, seconds = number * self._num, 0.0
        seen, labels, evaluations = [], [], []
        bar = progress.Bar(f"sampling ({number + 1})", self._num)
        with bar:
            for start in range(0, self._num, self._size):
                kept = min(self._size, self._num - start)
                begun = time.perf_counter()
                batch = self._batches.draw(self._restored.params, first + start, bar)
                seconds += time.perf_counter() - begun
                pixels = sharding.put_whole(self._restored.mesh, batch.pixels)
                seen.append([part[:kept] for part in self._extractor.look(pixels)])
                labels.append(batch.labels[:kept])
                evaluations.append(np.mean(batch.num_evaluations))
                bar.update(kept)
        whole = ExtractedFeatures(
            *(np.concatenate(parts) for parts in zip(*seen, strict=True))
        )
        return Repetition(
            whole, np.concatenate(labels), float(np.mean(evaluations)), seconds
        )
