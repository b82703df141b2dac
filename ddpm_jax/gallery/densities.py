"""The densities that figures may start from."""

import dataclasses

from ddpm_jax.core import number_files
from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import seed_option
from ddpm_jax.lab import densities
from ddpm_jax.lab.densities import Density, Grid


@dataclasses.dataclass(frozen=True)
class Rough(Options):
    """Options of a random rough density."""

    seed: int = seed_option(11, "Seed of the peaks.")
    num_peaks: int = option(9, "Number of peaks.", at_least=1)
    reach: float = option(1.8, "The farthest centre of a peak.", above=0.0, finite=True)
    least_width: float = option(0.05, "The narrowest peak's.", above=0.0, finite=True)
    greatest_width: float = option(0.2, "The widest peak's.", above=0.0, finite=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.least_width > self.greatest_width:
            raise ValueError(
                f"least_width = {self.least_width}: it is above greatest_width ="
                f" {self.greatest_width}; write a smaller one."
            )


@dataclasses.dataclass(frozen=True)
class Mixture(Options):
    """Options of a mixture of Gaussians."""

    means: tuple[float | int, ...] = option((-0.9, 0.8), "Mean of each Gaussian.")
    stds: tuple[float | int, ...] = option(
        (0.4, 0.3), "Standard deviation of each.", above=0.0, finite=True
    )
    weights: tuple[float | int, ...] = option(
        (0.6, 0.4), "Weight of each, up to a factor.", at_least=0.0, finite=True
    )


@dataclasses.dataclass(frozen=True)
class Pieces(Options):
    """Options of a density that is constant on intervals."""

    edges: tuple[float | int, ...] = option(
        (-1.6, -1.0, -0.2, 0.4, 1.5), "Ends of the intervals, increasing."
    )
    weights: tuple[float | int, ...] = option(
        (0.3, 0.1, 0.4, 0.2),
        "Weight of each interval, up to a factor.",
        at_least=0.0,
        finite=True,
    )


@dataclasses.dataclass(frozen=True)
class Samples(Options):
    """Options of a kernel estimate from a user's samples."""

    file: str = option("", "A .npy or .csv file of numbers.")
    column: int = option(0, "Which number of each row.", at_least=0)
    bandwidth: float = option(
        0.0, "Standard deviation of the kernel; 0: by Silverman's rule.", at_least=0.0
    )


def _rough(options: Rough, grid: Grid) -> Density:
    held = min(-grid.low, grid.high)
    if options.reach > held:
        raise ValueError(
            f"reach = {options.reach}: peaks may lie beyond the grid, which is from"
            f" {grid.low:g} to {grid.high:g}; write at most {held:g}, or a wider"
            " config.grid."
        )
    widths = options.least_width, options.greatest_width
    try:
        return densities.rough(
            grid,
            options.seed,
            num_peaks=options.num_peaks,
            reach=options.reach,
            widths=widths,
        )
    except ValueError as error:
        raise ValueError(f"least_width = {options.least_width}: {error}") from error


def _mixture(options: Mixture, grid: Grid) -> Density:
    parts = options.means, options.stds, options.weights
    means, stds, weights = ([float(number) for number in part] for part in parts)
    return densities.gaussian_mixture(grid, means, stds, weights)


def _pieces(options: Pieces, grid: Grid) -> Density:
    parts = options.edges, options.weights
    edges, weights = ([float(number) for number in part] for part in parts)
    return densities.uniform_pieces(grid, edges, weights)


def _samples(options: Samples, grid: Grid) -> Density:
    field = f"config.samples.file = {options.file!r}"
    if not options.file:
        raise ConfigError(f"{field}: write a .npy or .csv file of numbers.")
    rows = number_files.read(options.file, field)
    if options.column >= rows.shape[1]:
        raise ConfigError(
            f"config.samples.column = {options.column}: {options.file} has"
            f" {rows.shape[1]} numbers a row, of which the first is 0."
        )
    numbers = rows[:, options.column]
    try:
        return densities.from_samples(grid, numbers, options.bandwidth or None)
    except ValueError as error:
        raise ConfigError(f"{field}: {error}") from error


# Each makes a `Density` of its options and a grid.
DENSITIES: Table = {
    "rough": Choice(Rough, _rough),
    "mixture": Choice(Mixture, _mixture),
    "pieces": Choice(Pieces, _pieces),
    "samples": Choice(Samples, _samples),
}


def smooth(grid: Grid) -> Density:
    """The mixture of two Gaussians that figures show beside rough densities."""
    return _mixture(Mixture(), grid)
