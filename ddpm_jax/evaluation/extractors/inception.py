"""Features of the network that the Frechet inception distance is named after."""

import os
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array
from ml_collections import ConfigDict as Config

from ddpm_jax.core import paths
from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.source import Described
from ddpm_jax.diffusion.samplers.readout import PixelImages
from ddpm_jax.evaluation.extractors.extractor import (
    Extractor,
    ExtractorFiles,
    Load,
    compiled,
    needed,
)
from ddpm_jax.interop import torch_file
from ddpm_jax.models.restored import OtherRuns
from ddpm_jax.nets.inception import network
from ddpm_jax.training.checkpoints import fingerprint

WEIGHTS = "pt_inception-2015-12-05-6726825d.pth"


def inception(_: Options, files: ExtractorFiles) -> Load:
    """The network with the weights of config.eval.quality.inception.

    Raises:
      ConfigError: that is empty.
    """
    file = needed("inception", files.inception, f"the file {WEIGHTS}")

    def load(
        config: Config, mesh: Mesh, source: Described, others: OtherRuns
    ) -> Extractor:
        if source.num_values == 0:
            raise ConfigError(
                "config.eval.quality.extractor = 'inception' judges images, and"
                f" {source.name!r} are points: write 'values'."
            )
        params = _read(file)
        model = network.InceptionV3(files.preparation)
        last = source.num_values - 1

        def extract(params: Any, pixels: PixelImages) -> tuple[Array, Array]:
            shown = jnp.round(pixels * (255.0 / last)).astype(jnp.uint8)
            found = model.apply({"params": params}, shown)
            assert isinstance(found, network.Features)
            return found.pool, jax.nn.log_softmax(found.logits_without_bias)

        identity = {
            "name": "inception",
            "layer": "pool, 2048 features",
            "arrays": fingerprint(params),
            "preparation": files.preparation,
        }
        return compiled(mesh, identity, params, extract)

    return load


def _read(file: str) -> network.Params:
    field = f"config.eval.quality.inception = {file!r}"
    path = os.fspath(paths.expanded(file, field))
    try:
        arrays = torch_file.read_state_dict(path)
    except OSError as error:
        raise ConfigError(f"{field} cannot be read ({error.strerror}).") from error
    except torch_file.TorchFileError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ConfigError(f"{field}: {reason}") from error
    return network.from_state_dict(arrays, field)


CHOICE = Choice(Options, inception)
