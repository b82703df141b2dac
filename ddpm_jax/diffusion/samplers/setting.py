"""What a sampler is made of beside its own options."""

import dataclasses
from collections.abc import Callable

from jaxtyping import Array, Float

from ddpm_jax.core.choice import Options
from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process.times import CONTINUOUS

# (prediction, log SNR of s, log SNR of t) -> log of p(z_s | z_t)'s variance.
LogVariance = Callable[
    [Prediction, Array, Array], Float[Array, ""] | Float[Array, "batch h w c"]
]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the samplers of a table stand on.

    Attributes:
      num_steps: T, latents of the model, or `times.CONTINUOUS`.
      log_variance: of the reverse process, estimated from data; None: not estimated.
    """

    num_steps: int = CONTINUOUS
    log_variance: LogVariance | None = None


@dataclasses.dataclass(frozen=True)
class SamplerOptions(Options):
    """Options of a sampler, and what they ask of whoever makes it."""

    @property
    def estimates_variance(self) -> bool:
        """Whether `Setting.log_variance` is to be estimated from data first."""
        return False
