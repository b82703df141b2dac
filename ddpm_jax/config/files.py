"""Config files: Python with a function get_config() that returns a config."""

import os
import re
from collections.abc import Sequence

from absl import flags
from ml_collections import ConfigDict as Config
from ml_collections import config_flags

from ddpm_jax.core import paths, python_files
from ddpm_jax.core.errors import ConfigError

FUNCTION = "get_config"


def read_config(name: str) -> Config:
    """Reads the config of a file, `FILE.py`, or of a variant of it, `FILE.py:VARIANT`.

    Raises:
      ConfigError: the file cannot be read, raises something, knows no such variant, or
        returns no config; with the file's line number where there is one.
    """
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
