"""The common options of guidance."""

import dataclasses

from ddpm_jax.core.choice import Options, option
from ddpm_jax.diffusion.conditioning import guidance
from ddpm_jax.diffusion.conditioning.guidance import Interval

# Beyond it float32 overflows before an image is cut to its range.
LARGEST_SCALE = 1000.0


class GuidanceOptions(Options):
    """Options of a kind of guidance, and the properties that others ask of them."""

    @property
    def missing(self) -> str:
        """What a required option still needs, as the end of a sentence; "" if nothing."""
        return ""

    @property
    def label(self) -> str:
        """The strength, as part of a file's name; "" if there is none."""
        return ""


@dataclasses.dataclass(frozen=True)
class Scaled(GuidanceOptions):
    """Options of guidance with a scale, within an interval of log SNR."""

    scale: float = option(
        2.0,
        "0: the unconditional, weaker or unguided model; 1: the conditional or own one.",
    )
    interval: tuple[float | int, ...] = option(
        (),
        "Log SNRs, lowest and highest, outside which the scale is 1; (): everywhere.",
        example=(-2.0, 3.0),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale > LARGEST_SCALE:
            raise ValueError(
                f"scale = {self.scale}: write at most {LARGEST_SCALE:g}; beyond 10 there is"
                " little left but contrast."
            )
        if len(self.interval) not in (0, 2):
            raise ValueError(
                f"interval = {self.interval}: write two log SNRs, the lower first, or () for"
                " everywhere."
            )
        guidance.check(*self.strength)

    @property
    def strength(self) -> tuple[float, Interval]:
        """The scale, and the interval of log SNR or None."""
        if not self.interval:
            return float(self.scale), None
        lowest, highest = self.interval
        return float(self.scale), (float(lowest), float(highest))

    @property
    def label(self) -> str:
        return f"{self.scale:g}"


@dataclasses.dataclass(frozen=True)
class Rescaled(Scaled):
    """Options of guidance whose x_hat is rescaled to its contrast at scale 1."""

    rescale: float = option(
        0.0,
        "How far x_hat is rescaled to its contrast at scale 1.",
        at_least=0.0,
        at_most=1.0,
    )
