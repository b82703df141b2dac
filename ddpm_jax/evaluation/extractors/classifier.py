"""Features of a classifier of the same data, of images without noise."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.data.source import Described
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.samplers.readout import PixelImages
from ddpm_jax.evaluation.extractors.extractor import (
    Extractor,
    ExtractorFiles,
    Load,
    compiled,
    needed,
)
from ddpm_jax.models.restored import OtherRuns
from ddpm_jax.training.checkpoints import fingerprint


def classifier(_: Options, files: ExtractorFiles) -> Load:
    """The newest averaged weights of the run that config.eval.quality.classifier names.

    Raises:
      ConfigError: that is empty.
    """
    directory = needed(
        "classifier",
        files.classifier,
        "the workdir of a run of a config such as configs/digits_classifier.py",
    )

    def load(
        config: Config, mesh: Mesh, source: Described, others: OtherRuns
    ) -> Extractor:
        field = f"config.eval.quality.classifier = {directory!r}"
        found = others.classifier(
            *(field, directory, config, source), step=-1, weights="ema"
        )
        model = found.model

        def extract(params: Any, pixels: PixelImages) -> tuple[Array, Array]:
            first = jnp.zeros(pixels.shape[0])
            alpha, _ = gaussian.alpha_sigma(
                gaussian.per_example(model.log_snr(params)(first))
            )
            # Without noise, at the time of the least that it has seen.
            x = model.pixel_decoder.encode(pixels)
            answer = model.bind(params)(alpha * x, first)
            return answer.features, jax.nn.log_softmax(answer.logits)

        identity = {
            "name": "classifier",
            "layer": "before the last, at the least noise",
            "arrays": fingerprint(found.params),
            "step": found.step,
        }
        return compiled(mesh, identity, found.params, extract)

    return load


CHOICE = Choice(Options, classifier)
