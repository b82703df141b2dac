"""What samples are judged by: features of images, from config.eval.quality.extractor."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core import sharding
from ddpm_jax.core.errors import ConfigError, errors_are_the_users
from ddpm_jax.data.source import Source
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.samplers.readout import PixelImages
from ddpm_jax.interop import torch_file
from ddpm_jax.nets.inception import network as inception
from ddpm_jax.runs import restore
from ddpm_jax.training.checkpoints import fingerprint


class ExtractedFeatures(NamedTuple):
    """Of each image.

    Attributes:
      features: what distances are taken between.
      log_probs: of the extractor's classes.
    """

    features: Float[np.ndarray, "batch features"]
    log_probs: Float[np.ndarray, "batch classes"]


class Extractor(NamedTuple):
    """A network that judges.

    Attributes:
      identity: all that tells its features from others, for a report.
      look: pixel values 0..V-1 of a batch, cut over the devices -> its features, on the host.
        It is compiled once.
    """

    identity: Mapping[str, Any]
    look: Callable[[Any], ExtractedFeatures]


@errors_are_the_users()
def make(config: Config, mesh: Mesh, source: Source) -> Extractor:
    """The extractor that config.eval.quality names, for images like those of `source`.

    Raises:
      ConfigError: its weights cannot be read, or are of other data.
    """
    return EXTRACTORS[config.eval.quality.extractor](config, mesh, source)


def _inception(config: Config, mesh: Mesh, source: Source) -> Extractor:
    file = config.eval.quality.inception
    field = f"config.eval.quality.inception = {file!r}"
    try:
        arrays = torch_file.read_state_dict(file)
    except OSError as error:
        raise ConfigError(f"{field} cannot be read ({error.strerror}).") from error
    except torch_file.TorchFileError as error:
        reason = str(error).removeprefix(f"{file}: ")
        raise ConfigError(f"{field}: {reason}") from error
    params = inception.from_state_dict(arrays, field)
    preparation = config.eval.quality.preparation
    network = inception.InceptionV3(preparation)
    last = source.num_values - 1

    def look(params: Any, pixels: PixelImages) -> tuple[Array, Array]:
        shown = jnp.round(pixels * (255.0 / last)).astype(jnp.uint8)
        found = network.apply({"params": params}, shown)
        assert isinstance(found, inception.Features)
        return found.pool, jax.nn.log_softmax(found.logits_without_bias)

    identity = {
        "name": "inception",
        "layer": "pool, 2048 features",
        "arrays": fingerprint(params),
        "preparation": preparation,
    }
    return _compiled(mesh, identity, params, look)


def _classifier(config: Config, mesh: Mesh, source: Source) -> Extractor:
    directory = config.eval.quality.classifier
    field = f"config.eval.quality.classifier = {directory!r}"
    t = restore.other_classifier(
        field, directory, config, source, step=-1, weights="ema"
    )
    model = t.model

    def look(params: Any, pixels: PixelImages) -> tuple[Array, Array]:
        first = jnp.zeros(pixels.shape[0])
        alpha, _ = gaussian.alpha_sigma(
            gaussian.per_example(model.log_snr(params)(first))
        )
        # Without noise, at the time of the least that it has seen.
        found = model.bind(params)(alpha * model.pixel_decoder.encode(pixels), first)
        return found.features, jax.nn.log_softmax(found.logits)

    identity = {
        "name": "classifier",
        "layer": "before the last, at the least noise",
        "arrays": fingerprint(t.params),
        "step": t.step,
    }
    return _compiled(mesh, identity, t.params, look)


def _compiled(
    mesh: Mesh,
    identity: Mapping[str, Any],
    params: Any,
    look: Callable[..., tuple[Array, Array]],
) -> Extractor:
    compiled = sharding.compile_for_batch(mesh, look)
    return Extractor(
        identity,
        lambda pixels: ExtractedFeatures(*jax.device_get(compiled(params, pixels))),
    )


EXTRACTORS: Mapping[str, Callable[[Config, Mesh, Source], Extractor]] = {
    "inception": _inception,
    "classifier": _classifier,
}
