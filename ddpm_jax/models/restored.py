"""A restored model: parameters of a checkpoint with the model, data and config of the run."""

import dataclasses
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.data.run_data import RunData
from ddpm_jax.data.source import Source
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.training.state import Params

Bound = TypeVar("Bound", Denoiser, ClassifierModel, Denoiser | ClassifierModel)


class OtherRuns(NamedTuple):
    """Functions that restore models of other runs, trained on this run's data.

    Both take the field that names the other run, its workdir, this run's config and its data;
    then `step` (-1: the newest) and `weights` by keyword. They raise ConfigError if the model
    cannot be restored, or does not fit.

    Attributes:
      denoiser: restores a denoiser.
      classifier: restores a classifier.
    """

    denoiser: "Callable[..., Restored[Denoiser]]"
    classifier: "Callable[..., Restored[ClassifierModel]]"


@dataclasses.dataclass(frozen=True)
class Restored(Generic[Bound]):
    """A model restored from a checkpoint.

    Attributes:
      path: the workdir.
      mesh: the devices.
      data: the run's data, not opened before its examples are needed.
      model: the model, to be bound by the parameters.
      step: step of the checkpoint.
      params: parameters, raw or one of the averages.
      config: config of the run.
      others: functions that restore models of other runs, to guide or judge this one.
      results: where evaluations go, if not to the workdir.
    """

    path: epath.Path
    mesh: Mesh
    data: RunData
    model: Bound
    step: int
    params: Params
    config: Config
    others: OtherRuns
    results: epath.Path | None = None

    @property
    def place(self) -> epath.Path:
        """The folder in which eval/ and reference/ are."""
        return self.results or self.path

    @property
    def source(self) -> Source:
        """The split to evaluate.

        Raises:
          ConfigError: it cannot be opened, or is not what the run's data were.
        """
        return self.data.open_split(self.config.data.eval_split)
