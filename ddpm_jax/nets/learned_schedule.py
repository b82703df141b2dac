"""A noise schedule that is learned: a monotone function of time between two ends."""

import dataclasses
from collections.abc import Mapping

from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.nets import monotone
from ddpm_jax.nets.monotone import Bounds

# Beyond this log SNR float32 loses the gradient of one prediction or another.
LARGEST = 40.0


# Between the ends, of the options of the schedule. "learns": it has parameters.
INTERIORS: Table = {
    "line": Choice(Options, lambda o: monotone.Line()),
    "network": Choice(
        Options,
        lambda o: monotone.PositiveNetwork(o.num_features),
        frozenset({"learns"}),
    ),
    "polynomial": Choice(
        Options, lambda o: monotone.Polynomial(o.degree), frozenset({"learns"})
    ),
}


@dataclasses.dataclass(frozen=True)
class LearnedMonotone(Options):
    """Options of a learned schedule: where its ends start, and what lies between."""

    interior: str = option("network", "Between the ends.", one_of=INTERIORS)
    log_snr_min: float = option(-5.0, "Where the end at t = 1 starts.")
    log_snr_max: float = option(13.3, "Where the end at t = 0 starts.")
    min_bounds: tuple[float | int, ...] = option(
        (-15.0, 0.0), "log_snr_min stays between."
    )
    max_bounds: tuple[float | int, ...] = option(
        (1.0, 20.0), "log_snr_max stays between."
    )
    learn_ends: bool = option(True, "Otherwise the ends are constants.")
    num_features: int = option(1024, "Of the network.", at_least=1)
    degree: int = option(12, "Of the polynomial.", at_least=1)

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
        """Whether what lies between the ends has parameters."""
        return INTERIORS[self.interior].has("learns")

    @property
    def range(self) -> Bounds:
        """Log SNRs, lowest and highest, that the schedule never leaves."""
        if self.learn_ends:
            return self.min_bounds[0], self.max_bounds[1]
        return self.log_snr_min, self.log_snr_max


def _made(o: LearnedMonotone, num_steps: int) -> monotone.Monotone:
    del num_steps
    return monotone.Monotone(
        interior=INTERIORS[o.interior].make(o),
        first=o.log_snr_max,
        last=o.log_snr_min,
        first_bounds=(o.max_bounds[0], o.max_bounds[1]),
        last_bounds=(o.min_bounds[0], o.min_bounds[1]),
        learn_ends=o.learn_ends,
    )


CHOICE = Choice(LearnedMonotone, _made, frozenset({"learned"}))
