"""Config files: Python with a function get_config(), or a run's config.json."""

import json
import os
import re
from collections.abc import Sequence

from absl import flags
from etils import epath
from ml_collections import ConfigDict as Config
from ml_collections import config_flags

from ddpm_jax.config.schema import default
from ddpm_jax.core import paths, python_files
from ddpm_jax.core.errors import ConfigError, flat

FUNCTION = "get_config"
# The file of a run's config in its workdir, and what such files end in.
RESOLVED, JSON = "config.json", ".json"


def read_config(name: str) -> Config:
    """Reads the config of a file, `FILE.py`, or of a variant of it, `FILE.py:VARIANT`.

    A run's config is read from its workdir's config.json.

    Raises:
      ConfigError: the file cannot be read, raises something, knows no such variant, or
        returns no config; with the file's line number where there is one.
    """
    if name.endswith(JSON):
        return read_json(paths.expanded(name, f"--config={name}"))
    path, variant = _split(name)
    path = os.fspath(paths.expanded(path, f"--config={name}"))
    module = python_files.load(path, "config_file")
    config = python_files.result_of(
        module, FUNCTION, *([] if variant is None else [variant])
    )
    if not isinstance(config, Config):
        reason = (
            f"{FUNCTION}() returns {_kind(config)}: let it return a ConfigDict, such as"
            " ddpm_jax.config.default() with the fields that differ."
        )
        raise python_files.error_at(module, FUNCTION, reason)
    return config


def read_json(path: epath.Path) -> Config:
    """Reads a config that a run has written, by this version or an earlier one.

    Raises:
      ConfigError: there is none, or it is not one of this program.
    """
    try:
        text = path.read_text()
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"{path} cannot be read: {reason}.") from error
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}.") from error
    try:
        return from_values(flat(given))
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path} is no config of this program: {error}.") from error


def from_values(given: dict[str, object]) -> Config:
    """The config of flat values; a field that an earlier version had not is at its default.

    Raises:
      ValueError, AttributeError, TypeError: the values are no config of this version.
    """
    config = default()
    known = flat(config)
    if unknown := sorted(given.keys() - known.keys()):
        raise ValueError(f"config.{unknown[0]} is no field of this version")
    for field, value in given.items():
        if isinstance(known[field], float) and type(value) is int:
            given = {**given, field: float(value)}
    with config.unlocked(), config.ignore_type():
        config.update_from_flattened_dict(given)
    return config


def define_flag(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Defines --config, with an override of every field, as --config.FIELD=VALUE.

    Args:
      values: the flags to which --config is added; its value is the locked config.
      argv: the whole command line, which holds the overrides.
    """
    meaning = "A config file, or file:variant."
    config_flags.DEFINE_config_file(
        "config", None, meaning, flag_values=values, sys_argv=list(argv)
    )
    values["config"].parser = _Parser()


def parse(values: flags.FlagValues, argv: Sequence[str]) -> list[str]:
    """Reads a command line with --config, defined by `define_flag`; returns the rest.

    Raises:
      ConfigError: the config file is wrong.
      flags.Error: another flag or an override is wrong.
    """
    try:
        return values(list(argv))
    except flags.IllegalFlagValueError as error:
        # absl repeats the whole value before the reason.
        if isinstance(error.__context__, ConfigError):
            raise error.__context__ from None
        raise


class _Parser(flags.ArgumentParser):
    """The parser of --config."""

    def parse(self, argument: str) -> Config:
        return read_config(argument).lock()

    def flag_type(self) -> str:
        return "config file"


def _split(name: str) -> tuple[str, str | None]:
    """The path and the variant of `FILE.py:VARIANT`; None: no variant is written."""
    # A folder's name may hold a colon too.
    whole = re.fullmatch(r"(.*?\.py)(?::(.*))?", name, re.DOTALL)
    if whole:
        return whole[1], whole[2]
    path, colon, variant = name.partition(":")
    return path, variant if colon else None


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
