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
    def variance_examples(self) -> int:
        """Examples that `Setting.log_variance` is estimated from first; 0: it is not."""
        return 0

    @property
    def is_invertible(self) -> bool:
        """Whether `ddim.inverse` goes up the way that it comes down."""
        return False

    @property
    def of_no_effect(self) -> tuple[str, ...]:
        """Options that change no sample, as they stand."""
        return ()
