"""Checks of a config by the definitions of its fields, before anything is allocated.

Each message names the field, what it held, and what would work.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.config.schema import Whole
from ddpm_jax.core import choice
from ddpm_jax.core.choice import Options
from ddpm_jax.core.errors import ConfigError, choose, flat, hint


def overrides(argv: Sequence[str], options: type[Options] = Whole) -> None:
    """Checks that every --config.FIELD of a command line is a field, or a group of fields.

    Args:
      argv: the command line.
      options: all fields and groups that there are.

    Raises:
      ConfigError: one is not; it names the first.
    """
    known = dict(choice.leaves(options))
    for argument in argv:
        if argument.startswith(("--config.", "-config.")):
            field = argument.split("=")[0].split("config.", 1)[1]
            is_group = any(name.startswith(field + ".") for name in known)
            if field not in known and not is_group:
                raise ConfigError(_unknown(field, known))


def fields(config: Config, options: type[Options] = Whole) -> None:
    """Checks that a config has the fields of its options, each of its type.

    Args:
      config: the config.
      options: all its fields and groups.

    Raises:
      ConfigError: one is not; it names the first.
    """
    known = dict(choice.leaves(options))
    given = flat(config)
    for field, value in given.items():
        if field not in known:
            raise ConfigError(_unknown(field, known))
        wanted = known[field].default
        is_number = isinstance(wanted, float) and type(value) is int
        if type(value) is not type(wanted) and not is_number:
            raise ConfigError(
                f"config.{field} = {value!r} is of type {type(value).__name__}:"
                f" write a {type(wanted).__name__}, such as {wanted!r}."
            )
        item_types, example = known[field].item_types, known[field].example
        if item_types and not all(type(item) in item_types for item in value):
            raise ConfigError(
                f"config.{field} = {value!r}: write a tuple of numbers, such as"
                f" {wanted or example!r}."
            )
    missing = sorted(known.keys() - given.keys())
    if missing:
        raise ConfigError(
            f"config.{missing[0]} is missing: start from ddpm_jax.config.default()."
        )


def _unknown(field: str, known: Mapping[str, Any]) -> str:
    """The error of an unknown field, with the fields of its group."""
    group, _, _ = field.rpartition(".")
    inside = [name for name in known if group and name.startswith(group + ".")]
    names = dict.fromkeys(name[len(group) + 1 :].split(".")[0] for name in inside)
    there = f" config.{group} takes {', '.join(sorted(names))}." if names else ""
    return f"unknown field config.{field}.{hint(field, known)}{there}"


def choices(config: Config, options: type[Options] = Whole) -> None:
    """Checks that choices exist, and that all options are in range.

    Options of choices that are not named are checked too: they may be named later.

    Args:
      config: the config.
      options: all its fields and groups.

    Raises:
      ConfigError: one is not; it names the first.
    """
    choice.read(options, config, "config")
    _choices(options, config, "")


def _choices(options: type[Options], config: Config, prefix: str) -> None:
    for field in dataclasses.fields(options):
        if "group" in field.metadata:
            inner = field.metadata["group"]
            _choices(inner, config[field.name], f"{prefix}{field.name}.")
        elif "table" in field.metadata:
            table, name = field.metadata["table"], config[field.name]
            # What names several, or more than a choice, is read by who makes them.
            if not (field.metadata["with_argument"] or field.metadata["listed"]):
                choose(table, name, f"{prefix}{field.name}")
            for other, entry in table.items():
                if other in config:
                    choice.read(entry.options, config[other], f"config.{prefix}{other}")
