"""Feature extractors: networks by whose features images are compared."""

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
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.source import Described
from ddpm_jax.models.restored import OtherRuns
from ddpm_jax.nets.inception.network import PREPARATIONS


class ExtractedFeatures(NamedTuple):
    """Features of a batch of images.

    Attributes:
      features: features of each image, between which distances are computed.
      log_probs: log probabilities of the extractor's classes for each image; it may have
        none.
    """

    features: Float[np.ndarray, "batch features"]
    log_probs: Float[np.ndarray, "batch classes"]


class Extractor(NamedTuple):
    """A network that extracts features of images.

    Attributes:
      identity: all that determines its features, for a report.
      extract: pixel values 0..V-1 of a batch over the devices -> its features, on the host.
        It is compiled once.
    """

    identity: Mapping[str, Any]
    extract: Callable[[Any], ExtractedFeatures]


@runtime_checkable
class Load(Protocol):
    """Reads an extractor's weights, for images like those of a source.

    Raises:
      ConfigError: they cannot be read, or are of other data.
    """

    def __call__(
        self, config: Config, mesh: Mesh, source: Described, others: OtherRuns
    ) -> Extractor: ...


@dataclasses.dataclass(frozen=True)
class ExtractorFiles(Options):
    """Options of extractors: the files from which they are read, by their names."""

    inception: str = option("", "The file pt_inception-2015-12-05-6726825d.pth.")
    preparation: str = option(
        "tensorflow", "Resizing of images for Inception.", one_of=PREPARATIONS
    )
    classifier: str = option("", "Workdir of a classifier of the same data.")


def needed(name: str, value: str, what: str) -> str:
    """The value of an extractor's field.

    Raises:
      ConfigError: it is empty.
    """
    if not value:
        group = "config.eval.quality"
        raise ConfigError(f"{group}.extractor = {name!r} needs {group}.{name}, {what}.")
    return value


def compiled(
    mesh: Mesh,
    identity: Mapping[str, Any],
    params: Any,
    extract: Callable[..., tuple[Array, Array]],
) -> Extractor:
    """An extractor of (params, pixels) -> (features, log probabilities)."""
    on_devices = sharding.compile_for_batch(mesh, extract)
    return Extractor(
        identity,
        lambda pixels: ExtractedFeatures(*jax.device_get(on_devices(params, pixels))),
    )
