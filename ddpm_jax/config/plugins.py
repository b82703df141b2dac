"""Plugins: choices of a user's own, from Python modules outside the package.

A plugin is a module with a dict `CHOICES`, from a config field to entries of its table:

    CHOICES = {"schedule.name": {"sawtooth": Choice(Sawtooth, make)}}

Once it is loaded, "sawtooth" is a choice like any other: with a group of options in the config,
checks of their ranges, and a place in every record of what was run.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import os
import pathlib
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from absl import logging
from ml_collections import ConfigDict as Config

from ddpm_jax.config.schema import Whole, leaves
from ddpm_jax.core import arguments, choice, loaded_plugins, paths, python_files
from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.core.errors import ConfigError, hint

NAME = "CHOICES"
EXAMPLE = '{"schedule.name": {"mine": Choice(Options, make)}}'


class Located(NamedTuple):
    """A plugin that is located but not yet imported.

    Attributes:
      name: dotted name of its module.
      path: path of its file.
    """

    name: str
    path: str


def load(plugins: str | Iterable[str]) -> None:
    """Adds the choices of plugins to the tables, unless they are loaded already.

    Args:
      plugins: dotted names of modules, or paths of Python files; several by commas.

    Raises:
      ConfigError: one cannot be imported, or its choices cannot be added.
    """
    texts = [plugins] if isinstance(plugins, str) else plugins
    names = [name.strip() for text in texts for name in text.split(",")]
    for name in filter(None, names):
        _load(name)


def load_flags(texts: Iterable[str]) -> None:
    """`load` of what the flag --plugins held, each time that it was written.

    Raises:
      ConfigError: as `load` does, or one is empty.
    """
    for text in texts:
        if not text.strip():
            raise ConfigError(
                f"--plugins={text} is empty: write the name of a module or the path of a"
                " Python file (is the variable set that it came from?)."
            )
    load(texts)


def add_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --plugins to a command's arguments, for `load`."""
    parser.add_argument(
        "--plugins",
        action="append",
        default=[],
        metavar="MODULE",
        help=arguments.PLUGINS,
    )


def _load(text: str) -> None:
    importlib.invalidate_caches()
    name, path = _located(text)
    sha256 = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    known = loaded_plugins.hashes()
    if name in known:
        if known[name] != sha256:
            logging.warning("%s has changed since this process loaded it", path)
        return
    was_imported = name in sys.modules
    try:
        with python_files.errors_in(path):
            module = importlib.import_module(name)
        added = _choices(module, path)
    except ConfigError:
        if not was_imported:
            sys.modules.pop(name, None)  # So that it can be mended and loaded again.
        raise
    tables = choice.tables(Whole)
    for field, entries in added.items():
        tables[field].update(entries)
    loaded_plugins.replace({**known, name: sha256})


@contextlib.contextmanager
def temporarily() -> Iterator[None]:
    """A context at whose end the plugins loaded within are removed again."""
    tables = [(table, dict(table)) for table in choice.tables(Whole).values()]
    known, folders = loaded_plugins.hashes(), list(sys.path)
    try:
        yield
    finally:
        for table, before in tables:
            table.clear()
            table.update(before)
        for name in loaded_plugins.hashes().keys() - known.keys():
            sys.modules.pop(name, None)
        loaded_plugins.replace(known)
        sys.path[:] = folders


def _located(text: str) -> Located:
    """The module of a dotted name or of a path.

    The folder that its name starts from stays where imports are looked for, last of all, so
    that other processes, such as those that read data, can import it by its name too.
    """
    is_path = text.endswith(python_files.SUFFIX) or os.sep in text
    if is_path:
        text = os.fspath(paths.expanded(text, f"--plugins={text}"))
    folder, name = _named(text) if is_path else (pathlib.Path.cwd(), text)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        spec = importlib.util.find_spec(name)
    except Exception as error:  # Its package may raise anything.
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"--plugins={text} cannot be imported: {reason}.") from error
    if spec is None or not spec.origin or not spec.origin.endswith(python_files.SUFFIX):
        raise ConfigError(
            f"--plugins={text}: there is no such module; write the path of a Python file,"
            " which ends in .py, or the dotted name of a module that can be imported."
        )
    if is_path and not pathlib.Path(spec.origin).samefile(text):
        raise ConfigError(
            f"--plugins={text}: {spec.origin} is a module of that name too; give the file"
            " another name."
        )
    return Located(name, spec.origin)


def _named(path: str) -> tuple[pathlib.Path, str]:
    """The folder from which a file's module is named, and the dotted name."""
    python_files.check(path)
    file = pathlib.Path(path).resolve()
    parts, folder = [file.stem], file.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(
            f"--plugins={path}: {'.'.join(parts)} cannot be the name of a module; name the"
            " file by letters, digits and underscores."
        )
    return folder, ".".join(parts)


def _choices(module: types.ModuleType, path: str) -> Mapping[str, Table]:
    """The checked entries that a plugin adds, by field."""
    if not hasattr(module, NAME):
        close = hint(NAME, vars(module).keys())
        raise ConfigError(f"{path}: it has no {NAME}, such as {EXAMPLE}.{close}")
    found, tables = getattr(module, NAME), choice.tables(Whole)
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: its {NAME} are no dict, such as {EXAMPLE}.")
    taken = _taken(tables)
    for field, entries in found.items():
        where = f"{path}: {NAME}[{field!r}]"
        if field not in tables:
            raise ConfigError(
                f"{where} is no field of a config that names a choice."
                f"{hint(str(field), tables)} There are {', '.join(sorted(tables))}."
            )
        if not isinstance(entries, dict):
            raise ConfigError(f"{where} is no dict of names and choices.")
        group = field.rpartition(".")[0]
        for name, entry in entries.items():
            _check_name(f"{where}[{name!r}]", name, field, tables[field], taken[group])
            _check_entry(f"{where}[{name!r}]", entry, tables[field])
            taken[group].add(name)
    return found


def _taken(tables: Mapping[str, Table]) -> dict[str, set[str]]:
    """The names that each config group with choices holds, or may hold, already."""
    found: dict[str, set[str]] = {}
    for field, table in tables.items():
        group, dot, _ = field.rpartition(".")
        inside = [name for name in leaves() if name.startswith(group + dot)]
        own = {name.removeprefix(group + dot).partition(".")[0] for name in inside}
        found.setdefault(group, set()).update(table, own)
    return found


def _check_name(
    where: str, name: Any, field: str, table: Table, taken: set[str]
) -> None:
    if not isinstance(name, str) or not name.isidentifier() or hasattr(Config(), name):
        raise ConfigError(
            f"{where}: a config cannot have a group of that name; write letters, digits and"
            " underscores, and no name of Python's or of a ConfigDict's own."
        )
    if name in table:
        raise ConfigError(
            f"{where}: config.{field} has a choice of that name already; write another."
        )
    if name in taken:
        group = field.rpartition(".")[0]
        raise ConfigError(
            f"{where}: config{'.' * bool(group)}{group} has {name!r} already, a field or"
            " another's choice; write another name."
        )


def _check_entry(where: str, entry: Any, table: Table) -> None:
    if not isinstance(entry, Choice):
        raise ConfigError(
            f"{where} is {entry!r}: write a ddpm_jax.core.choice.Choice of options and a"
            " function."
        )
    if not callable(entry.make):
        raise ConfigError(f"{where}: its make, {entry.make!r}, is no function.")
    _check_options(f"{where}: its options,", entry.options, common_options(table))
    traits = frozenset[str]().union(*(other.traits for other in table.values()))
    for trait in entry.traits - traits:
        raise ConfigError(
            f"{where}: nobody asks for the trait {trait!r}.{hint(trait, traits)} There are"
            f" {', '.join(sorted(traits)) or 'none'}."
        )


def common_options(table: Table) -> type[Options]:
    """The nearest common base class of the options of a table's choices."""
    every = [entry.options for entry in table.values()]
    return next(
        base for base in every[0].__mro__ if all(issubclass(o, base) for o in every)
    )


def _check_options(where: str, options: Any, base: type[Options]) -> None:
    if not (isinstance(options, type) and issubclass(options, base)):
        raise ConfigError(
            f"{where} {options!r}, are no dataclass that derives from"
            f" {base.__module__}.{base.__qualname__}."
        )
    where = f"{where} {options.__qualname__},"
    for own in options.__mro__:
        if any(isinstance(value, dataclasses.Field) for value in vars(own).values()):
            raise ConfigError(
                f"{where} are no dataclass: write @dataclasses.dataclass(frozen=True) above"
                f" {own.__qualname__}."
            )
    for field in dataclasses.fields(options):
        if "meaning" not in field.metadata:
            raise ConfigError(
                f"{where} have the field {field.name!r}, which says nothing of itself:"
                ' write option(default, "What it is.").'
            )
        if hasattr(Config(), field.name):
            raise ConfigError(
                f"{where} have the field {field.name!r}, a name of a ConfigDict's own:"
                " write another."
            )
    try:
        options()
        dict(choice.leaves(options))
    except Exception as error:  # Its own checks may raise anything.
        raise ConfigError(
            f"{where} cannot be made of their defaults: {type(error).__name__}: {error}"
        ) from error
