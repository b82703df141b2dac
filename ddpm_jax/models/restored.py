"""A model as its checkpoint has it: what evaluation, sampling and other runs start from."""

import dataclasses
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.data.source import Source
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.training.state import Params

Bound = TypeVar("Bound", Denoiser, ClassifierModel, Denoiser | ClassifierModel)


class OtherRuns(NamedTuple):
    """How models of other runs are read, of the same data as this run's.

    Both take what names the other run in messages, its workdir, and this run's config; then
    `step` (-1: the newest) and `weights` by keyword. What cannot be read, or does not fit, is a
    ConfigError.

    Attributes:
      denoiser: reads a denoiser.
      classifier: reads a classifier; takes this run's data source, too.
    """

    denoiser: "Callable[..., Restored[Denoiser]]"
    classifier: "Callable[..., Restored[ClassifierModel]]"


@dataclasses.dataclass(frozen=True)
class Restored(Generic[Bound]):
    """A checkpoint's parameters, and what they belong to.

    Attributes:
      path: the workdir.
      mesh: the devices.
      source: the split to evaluate.
      model: what the parameters bind.
      step: of the checkpoint.
      params: raw, or one of the averages.
      config: of the run.
      others: how models that guide or judge this one are read.
    """

    path: epath.Path
    mesh: Mesh
    source: Source
    model: Bound
    step: int
    params: Params
    config: Config
    others: OtherRuns
