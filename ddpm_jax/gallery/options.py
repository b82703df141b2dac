"""The gallery's config: what all figures share, and the options of each."""

import dataclasses

from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.config import check
from ddpm_jax.core import choice
from ddpm_jax.core.choice import Options, chosen_from, group, option
from ddpm_jax.core.errors import ConfigError, choose
from ddpm_jax.core.randomness import seed_option
from ddpm_jax.gallery.densities import DENSITIES
from ddpm_jax.gallery.figure import FROM_DENSITY, Figure, Setting
from ddpm_jax.gallery.steps import OfSteps
from ddpm_jax.gallery.table import FIGURES
from ddpm_jax.lab.densities import Grid


@dataclasses.dataclass(frozen=True)
class GridOptions(Options):
    """Options of the grid of a line: N(0, 1), in which chains end, must lie on it."""

    low: float = option(-6.0, "The first point.", at_most=-4.0, finite=True)
    high: float = option(6.0, "The last point.", at_least=4.0, finite=True)
    num: int = option(961, "Number of points.", at_least=101, at_most=4001)


@dataclasses.dataclass(frozen=True)
class Gallery(Options):
    """All fields and groups of the gallery's config."""

    figures: str = chosen_from(
        ",".join(FIGURES), FIGURES, "Some by commas; by default all.", listed=True
    )
    density: str = chosen_from("rough", DENSITIES, "Where figures start from.")
    grid: GridOptions = group(GridOptions, "Points of the line.")
    seed: int = seed_option(0, "Seed of all that is random but the densities.")


def default() -> Config:
    """The config with every field at its default."""
    return Config(choice.defaults(Gallery))


def checked(config: Config, field: str = "figures") -> list[str]:
    """Checks a config as a whole, and returns the names of its figures.

    Args:
      config: the config.
      field: the field or flag that the figures were written to.

    Raises:
      ConfigError: a field or a value of it cannot work.
    """
    check.fields(config, Gallery)
    check.choices(config, Gallery)
    names = [name.strip() for name in config.figures.split(",")]
    for name in names:
        if not name:
            raise ConfigError(
                f"{field if field.startswith('--') else f'config.{field}'} ="
                f" {config.figures!r}: a name is empty; write names with one comma between."
            )
        choose(FIGURES, name, field)
    return list(dict.fromkeys(names))


def figure(config: Config, name: str) -> Figure:
    """The figure of a name, with its options.

    Raises:
      ConfigError: an option is out of range, or asks for a step that the grid is too coarse
        for.
    """
    entry = FIGURES[name]
    options = choice.read(entry.options, _group(config, name), f"config.{name}")
    if isinstance(options, OfSteps):
        options.check(Grid(**config.grid), f"config.{name}")
    made: Figure = choice.made(entry, options, f"config.{name}")
    return made


def settings(config: Config, name: str) -> dict[str, object]:
    """All fields that a figure may depend on, by their names within the config."""
    starts = FIGURES[name].traits >= FROM_DENSITY
    given = ("density", config.density) if starts else ()
    parts = ("seed", "grid", *given, name)
    return {part: _plain(config[part]) for part in parts if part in config}


def setting(config: Config, folder: epath.Path) -> Setting:
    """What figures share.

    Args:
      config: the config.
      folder: where figures keep what takes long to make.

    Raises:
      ConfigError: there is no such density on this grid.
    """
    grid = Grid(**config.grid)
    made = choice.make_chosen(DENSITIES, config, "density", "", grid)
    return Setting(grid, made, config.seed, folder, config.density)


def _group(config: Config, name: str) -> object:
    values: object = config.get(name, {})
    return values


def _plain(value: object) -> object:
    return value.to_dict() if isinstance(value, Config) else value
