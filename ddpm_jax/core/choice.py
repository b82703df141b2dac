"""Choices: what a config may name, each with options of its own, in tables that can be grepped.

A table maps the names that a config field may hold to `Choice`s. A choice brings its options
(a frozen dataclass: fields, types, defaults, ranges), a function that makes the thing of them,
and traits: what other parts may need to know of it, so that no part compares names. Config
groups, their types and their error texts are derived from here.
"""

import dataclasses
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from ddpm_jax.core.errors import ConfigError, choose
from ddpm_jax.core.leaf import Belongs, Leaf
from ddpm_jax.core.limits import Limits, Number

OptionsT = TypeVar("OptionsT", bound="Options")


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a choice, or a group of a config. The base checks every field's range.

    A field is `name: type = option(default, "What it is.", ...)`, or another `Options` for a
    group within. A subclass that must check fields against each other extends
    `__post_init__`, and says "name = value: what to write" in a ValueError.
    """

    def values(self) -> dict[str, Any]:
        """Its fields by name, as keywords of what is made of them."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            limits = field.metadata.get("limits")
            if limits is not None:
                limits.check(field.name, getattr(self, field.name))


@dataclasses.dataclass(frozen=True)
class Choice:
    """An alternative that a config field may name.

    Attributes:
      options: dataclass of its options; the config's group named after the choice holds them.
      make: (options, further inputs ...) -> the object; the comment at the table says which.
      traits: properties that other parts may ask about, instead of its name.
    """

    options: type[Options]
    make: Callable[..., Any]
    traits: frozenset[str] = frozenset()

    def has(self, trait: str) -> bool:
        """Whether the choice has a trait."""
        return trait in self.traits

    def default(self, *inputs: Any) -> Any:
        """The object made with the default options."""
        return self.make(self.options(), *inputs)


# Name -> choice. A dict, so that plugins can add to it.
Table = dict[str, Choice]


def option(
    default: Any,
    meaning: str,
    *,
    at_least: Number | None = None,
    at_most: Number | None = None,
    above: Number | None = None,
    below: Number | None = None,
    finite: bool = False,
    one_of: tuple[Any, ...] | Mapping[str, Any] | None = None,
    remedy: str | None = None,
    example: Any = None,
    belongs: Belongs | None = None,
    may_change: bool = False,
) -> Any:
    """A field of `Options`.

    Args:
      default: its value unless a config says another; its type is the annotation's.
      meaning: one line of description.
      at_least, at_most, above, below: the range of a number, or of every item of a tuple.
      finite: infinity is refused.
      one_of: the values there are, where they need no options of their own.
      remedy: clause of the error that says what to write; None: the range in words.
      example: a value to write where the default is empty.
      belongs: its owner; None: that of the group or of the choice that it is an option of.
      may_change: whether a run may be continued with another value: what was trained so far
        does not depend on it.
    """
    limits = Limits(at_least, at_most, above, below, finite, one_of, remedy)
    metadata = {
        "meaning": meaning,
        "limits": limits,
        "example": example,
        "belongs": belongs,
        "may_change": may_change,
    }
    return dataclasses.field(default=default, metadata=metadata)


def chosen_from(
    default: str,
    table: Table,
    meaning: str,
    *,
    with_argument: bool = False,
    listed: bool = False,
    belongs: Belongs | None = None,
    may_change: bool = False,
) -> Any:
    """A field of `Options` that names a choice of a table; their groups stand beside it.

    Args:
      default: a name in the table.
      table: the choices.
      meaning: one line of description.
      with_argument: the field holds a name and, after a colon, what it is made of.
      listed: the field holds several names, by commas.
      belongs, may_change: as in `option`; those of the choices' options too.
    """
    metadata = {
        "meaning": meaning,
        "table": table,
        "listed": listed,
        "with_argument": with_argument,
        "belongs": belongs,
        "may_change": may_change,
    }
    return dataclasses.field(default=default, metadata=metadata)


def group(
    options: type[Options],
    meaning: str,
    *,
    belongs: Belongs | None = None,
    may_change: bool = False,
) -> Any:
    """A field of `Options` that is a group; `belongs` is that of all within that say none."""
    metadata = {
        "meaning": meaning,
        "group": options,
        "belongs": belongs,
        "may_change": may_change,
    }
    return dataclasses.field(default_factory=options, metadata=metadata)


def leaves(
    options: type[Options],
    prefix: str = "",
    belongs: Belongs = Belongs.RUN,
    may_change: bool = False,
    choice: tuple[str, str] | None = None,
) -> Iterator[tuple[str, Leaf]]:
    """(name within the config, leaf) of every field, those of choices' groups included.

    Args:
      options: their dataclass.
      prefix: the name of their group within the config, with a dot.
      belongs, may_change, choice: of those that do not say it themselves.
    """
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        name, metadata = prefix + field.name, field.metadata
        owner = metadata["belongs"] or belongs
        changes = metadata["may_change"] or may_change
        if "group" in metadata:
            inner = metadata["group"]
            yield from leaves(inner, f"{name}.", owner, changes, choice)
            continue
        yield (
            name,
            Leaf(
                field.default,
                metadata["meaning"],
                _item_types(hints[field.name]),
                metadata.get("example"),
                owner,
                changes,
                choice,
            ),
        )
        for other, entry in metadata.get("table", {}).items():
            inside = entry.options, f"{prefix}{other}.", owner, changes
            yield from leaves(*inside, (name, other))


def tables(options: type[Options], prefix: str = "") -> dict[str, Table]:
    """The table of every field of a config that names a choice, by the field's name."""
    found: dict[str, Table] = {}
    for field in dataclasses.fields(options):
        name = prefix + field.name
        if "group" in field.metadata:
            found |= tables(field.metadata["group"], f"{name}.")
        if "table" in field.metadata:
            found[name] = field.metadata["table"]
            for choice_name, choice in found[name].items():
                found |= tables(choice.options, f"{prefix}{choice_name}.")
    return found


def names(options: type[Options]) -> set[str]:
    """The names of all choices that the fields of a config may hold."""
    return {name for table in tables(options).values() for name in table}


def defaults(options: type[Options]) -> dict[str, Any]:
    """The fields and groups of a config with their defaults, as nested dicts."""
    nested: dict[str, Any] = {}
    for name, leaf in leaves(options):
        *path, last = name.split(".")
        inner = nested
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = leaf.default
    return nested


def read(
    options: type[OptionsT], values: Mapping[str, Any] | Any, where: str
) -> OptionsT:
    """The options that a config group holds, checked.

    Args:
      options: their dataclass.
      values: the group; entries that are no fields of `options` are ignored.
      where: the group's name, such as "config.sample.ddim".

    Raises:
      ConfigError: a value is outside its range, or the options do not fit each other; with
        the full name of the field.
    """
    fields, hints = {}, typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        value = values[field.name]
        if "group" in field.metadata:
            inner = field.metadata["group"]
            fields[field.name] = read(inner, value, f"{where}.{field.name}")
        elif hints[field.name] is float:
            fields[field.name] = float(value)
        else:
            fields[field.name] = tuple(value) if isinstance(value, list) else value
    try:
        return options(**fields)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(in_full(str(error), options, where)) from error


def in_full(text: str, options: type[Options], where: str) -> str:
    """An error's text, in which options stand under their full names.

    Args:
      text: in which an option that something is said of stands as "name = value".
      options: their dataclass.
      where: their group's name, such as "config.sample.ddim".
    """
    known = "|".join(field.name for field in dataclasses.fields(options))
    found = re.sub(rf"(?<![\w.])(?=({known or '$'}) = )", f"{where}.", text)
    if found != text:
        return found
    # A field beside its own, or none at all.
    return f"{where}.{text}" if re.match(r"\w+ = ", text) else f"{where}: {text}"


def chosen(table: Table, values: Any, field: str, where: str) -> tuple[Choice, Options]:
    """The choice that a field of a config group names, and its options from beside it.

    Args:
      table: the choices.
      values: the group that holds the field.
      field: name of the field that names the choice.
      where: the group's name without "config.", such as "sample".

    Raises:
      ConfigError: there is no such choice, or its options are out of range.
    """
    name = values[field]
    dotted = f"{where}." if where else ""
    choice = choose(table, name, f"{dotted}{field}")
    choice_group = values[name] if dataclasses.fields(choice.options) else {}
    return choice, read(choice.options, choice_group, f"config.{dotted}{name}")


def _item_types(hint: Any) -> tuple[type, ...]:
    """The types that a tuple's items may have, by its annotation; () for other fields."""
    if typing.get_origin(hint) is not tuple:
        return ()
    item, *_ = typing.get_args(hint)
    return typing.get_args(item) if isinstance(item, types.UnionType) else (item,)


def made(choice: Choice, options: Options, where: str, *inputs: Any) -> Any:
    """The object that a choice makes; its ValueErrors name the group in full.

    Raises:
      ConfigError: the choice cannot be made of these options.
    """
    try:
        return choice.make(options, *inputs)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(in_full(str(error), type(options), where)) from error


def make_chosen(table: Table, values: Any, field: str, where: str, *inputs: Any) -> Any:
    """The object that the choice named by a field of a config group makes.

    Args:
      table, values, field, where: as `chosen` takes them.
      inputs: further inputs of the choice's `make`.

    Raises:
      ConfigError: there is no such choice, or it cannot be made of its options.
    """
    choice, options = chosen(table, values, field, where)
    group_name = f"{where}.{values[field]}" if where else values[field]
    return made(choice, options, f"config.{group_name}", *inputs)
