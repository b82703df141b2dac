"""The data's values themselves as features: nothing is judged by a network."""

from typing import Any

import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.data.source import Described
from ddpm_jax.diffusion.process.pixel_decoder import Pixels
from ddpm_jax.evaluation.extractors.extractor import (
    Extractor,
    ExtractorFiles,
    Load,
    compiled,
)
from ddpm_jax.models.restored import OtherRuns


def values(_: Options, __: ExtractorFiles) -> Load:
    """The coordinates of points, or the pixel values of images, in one row."""

    def load(
        config: Config, mesh: Mesh, source: Described, others: OtherRuns
    ) -> Extractor:
        def extract(params: Any, pixels: Pixels) -> tuple[Array, Array]:
            features = pixels.reshape(len(pixels), -1).astype(jnp.float32)
            return features, jnp.zeros((len(pixels), 0))

        return compiled(mesh, {"name": "values"}, (), extract)

    return load


CHOICE = Choice(Options, values, frozenset({"without_classes"}))
