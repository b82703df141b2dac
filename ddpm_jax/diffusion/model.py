"""A diffusion model as the theory sees it: two functions of noise and time.

Losses, the ELBO and every sampler take a `Diffusion` and never a network, a config or
parameters, so each formula is tested with a model whose exact prediction is known.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float, Int


class Prediction(NamedTuple):
    """A model's prediction from z_t.

    Attributes:
      x: estimate of the clean data, [batch, height, width, channels].
      eps: estimate of the noise; alpha x + sigma eps = z_t.
      variance_fraction: where the log of the reverse variance lies between the
        posterior's (0) and the forward process's (1): a scalar when it is fixed, shaped
        like x when it is learned (Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 15).
    """

    x: Float[Array, "batch height width channels"]
    eps: Float[Array, "batch height width channels"]
    variance_fraction: Float[Array, ""] | Float[Array, "batch height width channels"]


# A schedule: t in [0, 1], any shape -> log SNR, same shape.
LogSnr = Callable[[Array], Array]
# z_t [batch, ...] and t [batch] -> the prediction.
Denoise = Callable[[Array, Array], Prediction]


@dataclasses.dataclass(frozen=True)
class Diffusion:
    """A diffusion model with its parameters bound.

    Attributes:
      log_snr: t in [0, 1], any shape -> log(alpha_t^2 / sigma_t^2), same shape.
      denoise: z_t [batch, ...] and t [batch] -> `Prediction`.
      for_examples: indices of examples in the batch -> the model for these alone, where
        predictions depend on the example, such as on its class; None: they do not.
    """

    log_snr: LogSnr
    denoise: Denoise
    for_examples: Callable[[Int[Array, " some"]], "Diffusion"] | None = None

    def take(self, numbers: Int[Array, " some"]) -> "Diffusion":
        """The model for these examples of the batch alone, in that order."""
        return self if self.for_examples is None else self.for_examples(numbers)

    def changed(self, change: Callable[["Diffusion"], Denoise]) -> "Diffusion":
        """This model with the `denoise` that `change` makes of it, or of its part by `take`."""
        for_examples = self.for_examples
        return dataclasses.replace(
            self,
            denoise=change(self),
            for_examples=None
            if for_examples is None
            else lambda numbers: for_examples(numbers).changed(change),
        )
