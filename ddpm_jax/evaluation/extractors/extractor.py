"""What judges images: a network, of which only its features of them are known."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core import sharding
from ddpm_jax.core.choice import Options, option
from ddpm_jax.data.source import Source
from ddpm_jax.models.restored import OtherRuns
from ddpm_jax.nets.inception.network import PREPARATIONS


class ExtractedFeatures(NamedTuple):
    """Features of images.

    Attributes:
      features: of each image, what distances are taken between.
      log_probs: of the extractor's classes, of each image.
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


@runtime_checkable
class Load(Protocol):
    """Reads an extractor's weights, for images like those of a source.

    Raises:
      ConfigError: they cannot be read, or are of other data.
    """

    def __call__(
        self, config: Config, mesh: Mesh, source: Source, others: OtherRuns
    ) -> Extractor: ...


@dataclasses.dataclass(frozen=True)
class ExtractorFiles(Options):
    """Where extractors are read from: each has the field of its name."""

    inception: str = option("", "The file pt_inception-2015-12-05-6726825d.pth.")
    preparation: str = option("tensorflow", "Of images for it.", one_of=PREPARATIONS)
    classifier: str = option("", "Workdir of a classifier of the same data.")


def needed(name: str, value: str, what: str) -> str:
    """The value of an extractor's field.

    Raises:
      ValueError: it is empty.
    """
    if not value:
        raise ValueError(
            f"extractor = {name!r} needs config.eval.quality.{name}, {what}."
        )
    return value


def compiled(
    mesh: Mesh,
    identity: Mapping[str, Any],
    params: Any,
    look: Callable[..., tuple[Array, Array]],
) -> Extractor:
    """An extractor of (params, pixels) -> (features, log probabilities)."""
    on_devices = sharding.compile_for_batch(mesh, look)
    return Extractor(
        identity,
        lambda pixels: ExtractedFeatures(*jax.device_get(on_devices(params, pixels))),
    )
