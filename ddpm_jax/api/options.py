"""Keyword arguments as overrides of a config, with errors that name the keyword."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict as Config

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError, flat, hint


def applied(
    config: Config,
    group: str,
    given: Mapping[str, Any],
    *,
    excluded: Sequence[str],
) -> Config:
    """A copy of a config in which one group has other values, checked as a whole.

    Args:
      config: config of a run.
      group: the group whose fields the keywords are, such as "sample".
      given: values by keyword; a dict where the field is a group itself.
      excluded: fields of the group that are no keywords.

    Raises:
      ConfigError: a keyword does not exist or its value cannot work; it begins with the
        keyword.
    """
    copy = config.copy_and_resolve_references()
    known = {
        name: value
        for name, value in flat(copy[group]).items()
        if name.partition(".")[0] not in excluded
    }
    values = flat(given)
    for name, value in values.items():
        _check_name(name, value, known)
    changes = {f"{group}.{n}": _plain(v, known[n]) for n, v in values.items()}
    with copy.unlocked(), copy.ignore_type():
        copy.update_from_flattened_dict(changes)
    with named(group):
        check_config(copy)
    return copy


@contextlib.contextmanager
def named(group: str) -> Iterator[None]:
    """Turns the full names of a group's fields in errors into keywords."""
    try:
        yield
    except ConfigError as error:
        raise type(error)(str(error).replace(f"config.{group}.", "")) from error


def _check_name(name: str, value: Any, known: Mapping[str, Any]) -> None:
    """Raises ConfigError unless a flat name is a field of the group."""
    if name in known:
        return
    prefix, _, last = name.rpartition(".")
    inside = [k.removeprefix(f"{name}.") for k in known if k.startswith(f"{name}.")]
    if inside:
        raise ConfigError(
            f"{name} = {value!r}: write a dict of {', '.join(sorted(inside))}."
        )
    beside = [k.removeprefix(f"{prefix}.") for k in known if k.startswith(f"{prefix}.")]
    if prefix and not beside:
        raise ConfigError(
            f"{prefix} = {{...}} is not a group of options.{hint(prefix, known)}"
        )
    names = {k.partition(".")[0] for k in (beside or known)}
    raise ConfigError(
        f"{name} = {value!r} is not an option.{hint(last, names)}"
        f" There are {', '.join(sorted(names))}."
    )


def _plain(value: Any, known: Any) -> Any:
    """A value in the types that configs hold: Python's own numbers, and tuples."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(known, tuple):
        several = isinstance(value, list | tuple | range)
        return tuple(value) if several else (value,)
    return value
