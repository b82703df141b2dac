"""A guide: guidance as a function that binds a model's parameters for sampling."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Int

from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.training.state import Params

Labels = Int[Array, " batch"]


class Guide(NamedTuple):
    """Guidance, as a function that binds a model's parameters.

    Attributes:
      num_classes: number of classes of samples; 0: samples have no class.
      params: parameters of other models that guide; () if there are none.
      bind: (the model's parameters, `params`, labels of the batch) -> the guided model.
    """

    num_classes: int
    params: Params
    bind: Callable[[Params, Params, Labels], Diffusion]


def class_conditioning(model: Denoiser, labels: Labels) -> Conditioning:
    """The conditioning by class, for a model that has classes; none for others."""
    return Conditioning(labels=labels if model.num_classes else None)
