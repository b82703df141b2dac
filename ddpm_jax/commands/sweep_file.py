"""Sweep files: grids of overrides as runs, all checked before the first starts.

A sweep file is Python with a function get_sweep() -> {"config", "overrides", "grids"}:

    dict(
        config="configs/digits_vdm.py",
        overrides={"schedule.num_steps": 1000},     # In every run.
        grids=[
            {"prediction": ["eps", "v"], "seed": [0, 1]},        # Four runs.
            {"ends": {"wide": {"schedule.cosine.log_snr_min": -9.0, ...}, ...}},
        ],
    )

A grid is the product of its axes. An axis is a field with a list of values; or a name with
choices, each a label and the fields that it sets together. A list may hold such choices too.
The sweep is the union of its grids, in which equal configs are one run.
"""

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from absl import flags
from ml_collections import ConfigDict as Config

from ddpm_jax.check import check_config
from ddpm_jax.config import check, files
from ddpm_jax.core import paths, python_files
from ddpm_jax.core.errors import ConfigError

Fields = Mapping[str, Any]
FUNCTION = "get_sweep"
# The name of a run without an override of its own.
BASE = "base"


class Run(NamedTuple):
    """One run of a sweep.

    Attributes:
      name: its own overrides, as the name of a folder.
      aliases: its names in other grids.
      arguments: arguments of its commands, --config and the overrides.
      config: the config that the commands will read.
    """

    name: str
    aliases: tuple[str, ...]
    arguments: tuple[str, ...]
    config: Config


def read(path: os.PathLike[str] | str, extra: tuple[str, ...] = ()) -> list[Run]:
    """The runs of a sweep file, in its order.

    Args:
      path: path of the file.
      extra: overrides of every run, as on a command line.

    Raises:
      ConfigError: the file or one of its runs cannot work.
    """
    for argument in extra:
        if not argument.startswith("--config.") or "=" not in argument:
            raise ConfigError(
                f"{argument!r} after -- is not an override: write --config.FIELD=VALUE."
            )
    path = paths.expanded(path, f"the sweep file {os.fspath(path)!r}")
    config_file, points = _load(path)
    runs: dict[str, Run] = {}
    for name, fields in points:
        overrides = [f"--config.{field}={value}" for field, value in fields.items()]
        arguments = (f"--config={config_file}", *overrides, *extra)
        config = _resolve(name, arguments)
        same = config.to_json_best_effort(sort_keys=True)
        known = runs.setdefault(same, Run(name, (), arguments, config))
        if name not in (known.name, *known.aliases):
            runs[same] = known._replace(aliases=(*known.aliases, name))
    names = [name for run in runs.values() for name in (run.name, *run.aliases)]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path} has two different runs of the name {name!r}.")
    return list(runs.values())


def _load(path: os.PathLike[str] | str) -> tuple[str, list[tuple[str, Fields]]]:
    """The config file, and the points of all grids: name and fields of each."""
    module = python_files.load(os.fspath(path), "sweep_file")
    sweep = python_files.result_of(module, FUNCTION)
    try:
        if not isinstance(sweep, Mapping):
            raise ValueError(f"{sweep!r} is not a dict")
        wrong = sorted({"config", "overrides", "grids"} ^ sweep.keys())
        if wrong:
            raise ValueError(f"{', '.join(wrong)} is missing or unknown")
        points: list[tuple[str, Fields]] = [
            (name, {**sweep["overrides"], **fields})
            for grid in sweep["grids"]
            for name, fields in _points(grid)
        ]
        if not points:
            raise ValueError("it has no runs; the grid {} is one")
    except Exception as error:  # Its result may be anything.
        reason = f"{FUNCTION}() returns what is no sweep: {error}."
        raise python_files.error_at(module, FUNCTION, reason) from error
    return sweep["config"], points


def _points(grid: Any) -> Iterator[tuple[str, Fields]]:
    """Yields the name of each point of a grid, and the fields that it sets."""
    if not isinstance(grid, Mapping):
        raise ValueError(f"the grid {grid!r} is not a dict")
    for choices in itertools.product(*(_choices(*axis) for axis in grid.items())):
        names = [name for name, _ in choices]
        fields = {
            field: value for _, chosen in choices for field, value in chosen.items()
        }
        yield ",".join(names) or BASE, fields


def _choices(axis: str, values: Any) -> list[tuple[str, Fields]]:
    if not isinstance(values, Mapping | list | tuple):
        raise ValueError(f"{axis!r}: {values!r} is not a list of values")
    choices_of_axis: list[tuple[str, Fields]] = []
    for value in [values] if isinstance(values, Mapping) else values:
        is_labelled = isinstance(value, Mapping)
        choices = value.items() if is_labelled else [(value, {axis: value})]
        choices_of_axis += [
            (f"{_plain(axis)}={_plain(label)}", dict(fields))
            for label, fields in choices
        ]
    return choices_of_axis


def _plain(label: Any) -> str:
    """The label as text that is safe in the name of a folder and in a shell."""
    return re.sub(r"[^\w.+-]+", "_", str(label)).strip("_")


def _resolve(name: str, arguments: tuple[str, ...]) -> Config:
    """The config as the run's commands read it, checked; no device is used."""
    values = flags.FlagValues()
    argv = ["train", *arguments]
    files.define_flag(values, argv)
    try:
        check.overrides(arguments)
        files.parse(values, argv)
        check_config(values.config)
        if values.config.eval.step >= 0:
            raise ConfigError(
                "config.eval.step: a run of a sweep is evaluated at its end"
            )
    except Exception as error:  # Values of overrides may lead to anything.
        raise ConfigError(f"the run {name!r} cannot work: {error}") from error
    return values.config
