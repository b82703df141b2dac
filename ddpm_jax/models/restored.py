"""A model as its checkpoint has it: what evaluation, sampling and other runs start from."""

import dataclasses
from typing import Generic, TypeVar

from etils import epath
from jax.sharding import Mesh

from ddpm_jax.data.source import Source
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.training.state import Params

Bound = TypeVar("Bound", Denoiser, ClassifierModel, Denoiser | ClassifierModel)


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
    """

    path: epath.Path
    mesh: Mesh
    source: Source
    model: Bound
    step: int
    params: Params
