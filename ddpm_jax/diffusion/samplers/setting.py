"""The setting and the options from which samplers are made."""

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
    """The inputs of a sampler beside its options.

    Attributes:
      num_steps: number T of the model's latents, or `times.CONTINUOUS`.
      log_variance: reverse process's log variance, estimated from data; None: not estimated.
    """

    num_steps: int = CONTINUOUS
    log_variance: LogVariance | None = None


@dataclasses.dataclass(frozen=True)
class SamplerOptions(Options):
    """Options of a sampler, and the properties that sampling asks of them."""

    @property
    def variance_examples(self) -> int:
        """Number of examples to estimate `Setting.log_variance` from; 0: it is not needed."""
        return 0

    @property
    def is_invertible(self) -> bool:
        """Whether `ddim.inverse` inverts the sampler."""
        return False

    @property
    def of_no_effect(self) -> tuple[str, ...]:
        """Names of options that have no effect on samples, given the others."""
        return ()
