"""A noise schedule that is learned: a monotone function of time between two ends."""

import dataclasses
from collections.abc import Mapping

from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.nets import monotone
from ddpm_jax.nets.monotone import Bounds

# Beyond this log SNR float32 loses the gradient of one prediction or another.
LARGEST = 40.0


# Each makes the function between the ends, of the schedule's options. "learns": it has
# parameters.
INTERIORS: Table = {
    "line": Choice(Options, lambda options: monotone.Line()),
    "network": Choice(
        Options,
        lambda options: monotone.PositiveNetwork(options.num_features),
        frozenset({"learns"}),
    ),
    "polynomial": Choice(
        Options,
        lambda options: monotone.Polynomial(options.degree),
        frozenset({"learns"}),
    ),
}


@dataclasses.dataclass(frozen=True)
class LearnedMonotone(Options):
    """Options of a learned schedule: its ends, and the function between them."""

    interior: str = option(
        "network", "The function between the ends.", one_of=INTERIORS
    )
    log_snr_min: float = option(-5.0, "Initial log SNR at t = 1.")
    log_snr_max: float = option(13.3, "Initial log SNR at t = 0.")
    min_bounds: tuple[float | int, ...] = option(
        (-15.0, 0.0), "Bounds on the learned log SNR at t = 1."
    )
    max_bounds: tuple[float | int, ...] = option(
        (1.0, 20.0), "Bounds on the learned log SNR at t = 0."
    )
    learn_ends: bool = option(True, "Learn the ends; otherwise they are constants.")
    num_features: int = option(1024, "Hidden features of the network.", at_least=1)
    degree: int = option(12, "Degree of the polynomial.", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        ends: Mapping[str, tuple[float, tuple[float, ...]]] = {
            "min": (self.log_snr_min, self.min_bounds),
            "max": (self.log_snr_max, self.max_bounds),
        }
        for name, (start, bounds) in ends.items():
            if len(bounds) != 2 or not -LARGEST <= bounds[0] < bounds[1] <= LARGEST:
                raise ValueError(
                    f"{name}_bounds = {bounds}: write two numbers, the lower first, between"
                    f" {-LARGEST:g} and {LARGEST:g}."
                )
            if not -LARGEST <= start <= LARGEST:
                raise ValueError(
                    f"log_snr_{name} = {start}: write a number between {-LARGEST:g} and"
                    f" {LARGEST:g}."
                )
            if self.learn_ends and not bounds[0] < start < bounds[1]:
                raise ValueError(
                    f"log_snr_{name} = {start} is not between {name}_bounds = {bounds}:"
                    " move one of them."
                )
        if not self.log_snr_min < self.log_snr_max:
            raise ValueError(
                f"log_snr_min = {self.log_snr_min} must be below log_snr_max ="
                f" {self.log_snr_max}: there is less signal at t = 1."
            )
        if not self.min_bounds[1] < self.max_bounds[0]:
            raise ValueError(
                f"min_bounds = {self.min_bounds} reach up to max_bounds ="
                f" {self.max_bounds}, so that the ends could cross: leave a gap between"
                " them."
            )

    @property
    def interior_learns(self) -> bool:
        """Whether the function between the ends has parameters."""
        return INTERIORS[self.interior].has("learns")

    @property
    def range(self) -> Bounds:
        """Lowest and highest log SNR that the schedule can take."""
        if self.learn_ends:
            return self.min_bounds[0], self.max_bounds[1]
        return self.log_snr_min, self.log_snr_max


def _make(options: LearnedMonotone, num_steps: int) -> monotone.Monotone:
    del num_steps
    return monotone.Monotone(
        interior=INTERIORS[options.interior].make(options),
        first=options.log_snr_max,
        last=options.log_snr_min,
        first_bounds=(options.max_bounds[0], options.max_bounds[1]),
        last_bounds=(options.min_bounds[0], options.min_bounds[1]),
        learn_ends=options.learn_ends,
    )


CHOICE = Choice(LearnedMonotone, _make, frozenset({"learned"}))
