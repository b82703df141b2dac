"""Every field of a config with another value, for tests of what depends on which."""

import dataclasses

from ddpm_jax.config import schema


def others(config, **written):
    """(field, the config with another value of it) of every field.

    Args:
      config: the values before.
      written: of a field that needs another of its own ("." as "__"), what to write.
    """
    known = dict(_names(schema.Whole))
    for name in schema.leaves():
        changed = config.copy_and_resolve_references()
        *groups, field = name.split(".")
        group = changed
        for part in groups:
            group = group[part]
        before, key = group[field], name.replace(".", "__")
        group[field] = written.get(key, _other(before, known.get(name, ())))
        assert group[field] != before, name
        yield name, changed


def _names(options, prefix=""):
    """(field, the names that it may hold) of fields that hold one of some."""
    for field in dataclasses.fields(options):
        name, metadata = prefix + field.name, field.metadata
        if "group" in metadata:
            yield from _names(metadata["group"], f"{name}.")
            continue
        table = metadata.get("table", {})
        limits = metadata.get("limits")
        one_of = limits.one_of if limits is not None else None
        yield name, sorted(table or one_of or (), key=str)
        for choice_name, choice in table.items():
            yield from _names(choice.options, f"{prefix}{choice_name}.")


def _other(value, names):
    if names:
        return next(name for name in names if name not in (value, ""))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return 2 * value + 4
    if isinstance(value, float):
        return 0.5 * value + 0.011
    if isinstance(value, tuple):
        return (*value, 1)
    return f"{value}other"
