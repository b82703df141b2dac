"""What the theory needs to know of a model: two functions of noise and time.

Losses, the ELBO and every sampler take a `Diffusion` and never a network, a config or
parameters, so each formula is tested with a model whose answer is known.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float, Int


class Prediction(NamedTuple):
    """What a model says of z_t.

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
# z_t [batch, ...] and t [batch] -> what the model says of them.
Denoise = Callable[[Array, Array], Prediction]


@dataclasses.dataclass(frozen=True)
class Diffusion:
    """A model with its parameters bound.

    Attributes:
      log_snr: t in [0, 1], any shape -> log(alpha_t^2 / sigma_t^2), same shape.
      denoise: z_t [batch, ...] and t [batch] -> `Prediction`.
      of: numbers of examples -> the model of these alone, where what it says depends on
        which example of a batch it is asked about, such as on its class; None: it does not.
    """

    log_snr: LogSnr
    denoise: Denoise
    of: Callable[[Int[Array, " some"]], "Diffusion"] | None = None

    def take(self, numbers: Int[Array, " some"]) -> "Diffusion":
        """The model for a batch of these examples of this one's batch, in that order."""
        return self if self.of is None else self.of(numbers)

    def changed(self, change: Callable[["Diffusion"], Denoise]) -> "Diffusion":
        """This model with another `denoise`, made of it; and likewise of any of its parts."""
        of = self.of
        return dataclasses.replace(
            self,
            denoise=change(self),
            of=None if of is None else lambda numbers: of(numbers).changed(change),
        )
