"""The distributions of points that a config can name, and their options.

    two_peaks      1/2 N(-2, 0.5) + 1/2 N(2, 0.5) on the line; 0.5 is the variance
    mixture        round Gaussians in any dimension, as the options say
    rings          three circles around the origin
    moons          two half circles, one in the other's opening
    spirals        two arms from near the origin
    checkerboard   uniform on every other square of a board of 4 x 4

Rings, moons and spirals are mixtures too: of round Gaussians along their curves, at most half a
standard deviation apart, where no ripple is left (of height exp(-8 pi^2)). So each density is
a finite sum, without an approximation.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ddpm_jax.core import randomness
from ddpm_jax.core.choice import Options, option
from ddpm_jax.data.point_distributions import Distribution, Mixture, Points, Squares

MOST_POINTS = 10**7
LARGEST = 1e6  # The farthest mean and the largest standard deviation.
LEAST_SPREAD = 0.01
FINE = 4096  # Points of a curve by which its length is measured.


def _numbers(meaning: str, example: Any, default: Any = (), **limits: Any) -> Any:
    return option(default, meaning, at_most=LARGEST, example=example, **limits)


@dataclasses.dataclass(frozen=True)
class PointsOptions(Options):
    """The points of a distribution."""

    num_train: int = option(
        800,
        "Points to train on; of a file, nine tenths.",
        at_least=1,
        at_most=MOST_POINTS,
    )
    num_test: int = option(
        2000,
        "Points to evaluate on; of a file, a tenth.",
        at_least=1,
        at_most=MOST_POINTS,
    )
    seed: int = randomness.seed_option(0, "Seed of the points; not of a file.")
    spread: float = option(
        0.0,
        "Std around the curves of rings, moons and spirals; 0: its own default.",
        at_least=0.0,
        at_most=10.0,
    )
    dimensions: int = option(
        1, "Of mixture: coordinates of a point.", at_least=1, at_most=1000
    )
    means: tuple[float | int, ...] = _numbers(
        "Of mixture: the means, one after the other.", (-2.0, 2.0), at_least=-LARGEST
    )
    stds: tuple[float | int, ...] = _numbers(
        "Of mixture: the standard deviations, or one for all.",
        (0.5, 1.0),
        (1.0,),
        at_least=1.0 / LARGEST,
    )
    weights: tuple[float | int, ...] = _numbers(
        "Of mixture: relative weights; (): equal.", (1.0, 3.0), at_least=1.0 / LARGEST
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0.0 < self.spread < LEAST_SPREAD:
            raise ValueError(
                f"spread = {self.spread}: write {LEAST_SPREAD} or more, or 0 for the"
                " default."
            )
        num, rest = divmod(len(self.means), self.dimensions)
        if rest:
            raise ValueError(
                f"means = {self.means} are {len(self.means)} numbers, no multiple of"
                f" dimensions = {self.dimensions}."
            )
        # Without means nothing is said of components.
        for name, others in (("stds", {1}), ("weights", {0})):
            values = getattr(self, name)
            if num and len(values) not in {num, *others}:
                raise ValueError(
                    f"{name} = {values}: write {num} numbers, as there are means."
                )
        if not self.stds:
            raise ValueError("stds = (): write one number, or one for each mean.")


def mixture(
    means: Sequence[Sequence[float | int]] | np.ndarray,
    stds: Sequence[float | int],
    weights: Sequence[float | int] = (),
) -> Mixture:
    """A mixture in which each component is a group.

    Args:
      means: [components, dimensions].
      stds: one for each component, or one for all.
      weights: relative weights; (): equal.
    """
    centres = np.asarray(means, np.float64)
    num = len(centres)
    relative = np.asarray(weights or np.ones(num), np.float64)
    scales = np.broadcast_to(np.asarray(stds, np.float64), num)
    return Mixture(centres, scales, relative / relative.sum(), np.arange(num))


def along(curves: Sequence[Points], spread: float) -> Mixture:
    """A mixture along curves, each of which is as likely and a group.

    Args:
      curves: finely spaced points of each curve.
      spread: standard deviation of the components, which are half of it apart or closer.
    """
    means, weights, groups = [], [], []
    for group, curve in enumerate(curves):
        steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
        place = np.concatenate([[0.0], np.cumsum(steps)])
        num = math.ceil(2.0 * place[-1] / spread)
        middle = place[-1] * (np.arange(num) + 0.5) / num
        line = [np.interp(middle, place, curve[:, i]) for i in range(curve.shape[1])]
        means.append(np.stack(line, axis=1))
        weights.append(np.full(num, 1.0 / (len(curves) * num)))
        groups.append(np.full(num, group))
    joined = np.concatenate(means)
    stds = np.full(len(joined), spread)
    return Mixture(joined, stds, np.concatenate(weights), np.concatenate(groups))


def _curve(radius: np.ndarray | float, angle: np.ndarray) -> Points:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def two_peaks() -> Mixture:
    """1/2 N(-2, 0.5) + 1/2 N(2, 0.5), by variances."""
    return mixture([[-2.0], [2.0]], [math.sqrt(0.5)])


def rings(spread: float = 0.1) -> Mixture:
    """Three circles around the origin, of radius 1, 2 and 3."""
    angle = np.linspace(0.0, 2.0 * math.pi, FINE)
    return along([_curve(radius, angle) for radius in (1.0, 2.0, 3.0)], spread)


def moons(spread: float = 0.2) -> Mixture:
    """Two half circles of radius 2, one in the other's opening, the same turned around."""
    arch = _curve(2.0, np.linspace(0.0, math.pi, FINE)) - np.array([[1.0, 0.5]])
    return along([arch, -arch], spread)


def spirals(spread: float = 0.1) -> Mixture:
    """Two arms of a turn and a quarter, from radius 0.5 to 3."""
    turns = np.linspace(0.25, 1.5, FINE)
    arm = _curve(2.0 * turns, 2.0 * math.pi * turns)
    return along([arm, -arm], spread)


def checkerboard() -> Squares:
    """Every other square of side 1 of [-2, 2]^2."""
    corners = [(i - 2.0, j - 2.0) for i in range(4) for j in range(4) if (i + j) % 2]
    return Squares(np.array(corners))


def _mixture_of(options: PointsOptions) -> Mixture:
    if not options.means:
        raise ValueError("means = (): write the means, such as (-2.0, 2.0).")
    means = np.reshape(options.means, (-1, options.dimensions))
    return mixture(means, options.stds, options.weights)


@dataclasses.dataclass(frozen=True)
class Named:
    """A distribution that a config can name.

    Attributes:
      make: options -> the distribution.
      takes: the options that matter to it, beside those of the draw.
      spread: the spread where the options say none.
    """

    make: Callable[[PointsOptions], Distribution]
    takes: tuple[str, ...] = ()
    spread: float = 0.0

    def of(self, options: PointsOptions) -> Distribution:
        """The distribution.

        Raises:
          ValueError: an option is set that says nothing of it, or one that it needs is not.
        """
        for name in SHAPING:
            value = getattr(options, name)
            if name not in self.takes and value != getattr(PointsOptions(), name):
                raise ValueError(
                    f"{name} = {value} says nothing of this distribution: leave it out."
                )
        return self.make(self._with_spread(options))

    def description(self, options: PointsOptions) -> str:
        """The options that matter to it, for a report."""
        whole = self._with_spread(options)
        values = {name: getattr(whole, name) for name in self.takes}
        said = ", ".join(f"{name} {value}" for name, value in values.items())
        return said or "as defined"

    def _with_spread(self, options: PointsOptions) -> PointsOptions:
        return dataclasses.replace(options, spread=options.spread or self.spread)


def _by_spread(make: Callable[[float], Mixture], spread: float) -> Named:
    return Named(lambda options: make(options.spread), ("spread",), spread)


SHAPING = ("spread", "dimensions", "means", "stds", "weights")
DISTRIBUTIONS: Mapping[str, Named] = {
    "two_peaks": Named(lambda _: two_peaks()),
    "mixture": Named(_mixture_of, ("dimensions", "means", "stds", "weights")),
    "rings": _by_spread(rings, 0.1),
    "moons": _by_spread(moons, 0.2),
    "spirals": _by_spread(spirals, 0.1),
    "checkerboard": Named(lambda _: checkerboard()),
}
