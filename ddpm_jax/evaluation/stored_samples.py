"""Samples that --mode=sample has drawn, in place of samples drawn anew, for their quality."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict as Config

from ddpm_jax.core import sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures, Extractor
from ddpm_jax.evaluation.repeated_samples import Repetition
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import sample_folders
from ddpm_jax.training.checkpoints import fingerprint


class StoredSamples:
    """Repetitions of samples from their folders, each read once, in order.

    Args:
      config: config of the run; config.eval.quality says which and how many.
      restored: the model that drew them.
      extractor: extractor of the samples' features.

    Raises:
      ConfigError: the folders hold too few samples, or samples of other weights.
    """

    def __init__(
        self, config: Config, restored: Restored[Denoiser], extractor: Extractor
    ) -> None:
        quality = config.eval.quality
        field = f"config.eval.quality.samples = {quality.samples!r}"
        self._set = sample_folders.gather(quality.samples, field)
        _check_weights(field, self._set.identity, restored)
        needed = quality.num_samples * quality.num_repeats
        if len(self._set) < needed:
            raise ConfigError(
                f"{field} holds {len(self._set)} samples, and config.eval.quality asks for"
                f" num_samples = {quality.num_samples} times num_repeats ="
                f" {quality.num_repeats}: write num_samples ="
                f" {max(1, len(self._set) // quality.num_repeats)}."
            )
        self._size = config.sample.batch_size
        self._mesh, self._extractor = restored.mesh, extractor
        self._repetitions = self._set.batches(quality.num_samples)

    def draw(self, number: int) -> Repetition:
        """The features of the next repetition; they are asked for in order."""
        return self._of(next(self._repetitions))

    def convention(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        """The convention of their figures: the samples' own record, and their numbers."""
        return {
            "reference": dict(reference),
            **self._set.identity,
            "numbers": [list(numbers) for numbers in self._set.ranges],
        }

    def _of(self, pixels: np.ndarray) -> Repetition:
        parts = []
        for start in range(0, len(pixels), self._size):
            batch = pixels[start : start + self._size]
            # One program for all batches: the last is filled up.
            filled = np.concatenate(
                [batch, np.repeat(batch[:1], self._size - len(batch), 0)]
            )
            extracted = self._extractor.extract(sharding.put_whole(self._mesh, filled))
            parts.append([part[: len(batch)] for part in extracted])
        features = ExtractedFeatures(
            *(np.concatenate(of_batches) for of_batches in zip(*parts, strict=True))
        )
        return Repetition(features, np.full(len(pixels), -1), math.nan, 0.0)


def _check_weights(
    field: str, identity: Mapping[str, Any], restored: Restored[Denoiser]
) -> None:
    """Raises ConfigError unless samples were drawn from the weights of this evaluation."""
    step = identity.get("step")
    if step != restored.step:
        raise ConfigError(
            f"{field} are of step {step}, and this evaluation of step {restored.step}:"
            f" write config.eval.step = {step}."
        )
    if identity.get("arrays") != fingerprint(restored.params):
        raise ConfigError(
            f"{field} are of other weights than config.eval.weights, or of another run."
        )
