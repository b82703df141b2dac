"""Errors in what a user wrote: one exception, one line, with what would work instead."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class ConfigError(ValueError):
    """A config, flag or workdir that cannot work. Its text is one line for the user."""


class OutsideError(RuntimeError):
    """A cause outside the program that stops it. Its text is one line for the user."""


def choose(table: Mapping[str, T], name: str, field: str) -> T:
    """table[name], or an error that says what could have been written."""
    if name in table:
        return table[name]
    where = field if field.startswith("--") else f"config.{field}"
    raise ConfigError(
        f"{where} = {name!r} is not one of {sorted(table)}.{hint(name, table)}"
    )


@contextlib.contextmanager
def as_config_errors() -> Iterator[None]:
    """Turns a ValueError raised while building from a config into a ConfigError."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def flat(config: Any, prefix: str = "") -> dict[str, Any]:
    """Nested groups as one dict, {"a.b": value}, with lists as tuples."""
    out: dict[str, Any] = {}
    for name, value in config.items():
        if hasattr(value, "items"):
            out |= flat(value, f"{prefix}{name}.")
        else:
            out[prefix + name] = tuple(value) if isinstance(value, list) else value
    return out


def hint(name: str, known: Iterable[str]) -> str:
    """A sentence that suggests the known name closest to a wrong one; "" if none is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
