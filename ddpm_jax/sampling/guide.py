"""What guidance comes to: how a model's parameters are bound when it draws."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Int

from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.training.state import Params

Labels = Int[Array, " batch"]


class Guide(NamedTuple):
    """A way to bind a model's parameters.

    Attributes:
      num_classes: that samples may be of; 0: none is told of any.
      params: of other models that it asks; () if none.
      bind: (the model's parameters, `params`, labels of the batch) -> the guided model.
    """

    num_classes: int
    params: Params
    bind: Callable[[Params, Params, Labels], Diffusion]


def told(model: Denoiser, labels: Labels) -> Conditioning:
    """The classes, for a model that is told them."""
    return Conditioning(labels=labels if model.num_classes else None)
