"""Whether another run is of the same data: by its config, and by what both recorded."""

from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.data import changes
from ddpm_jax.data.run_data import RunData
from ddpm_jax.data.source import Described, class_names

# Fields of config.data on which x depends, with config.decoder.name.
_FIELDS_OF_X = ("name", "image_size", "center_crop", "channels", "stride")


def check(
    field: str,
    ours: Config,
    theirs: Config,
    our_data: Described | None = None,
    their_data: RunData | None = None,
) -> None:
    """Checks that two runs have the same data set, prepared in the same way.

    Args:
      field: the field that names the other run, for messages.
      ours: this run's config.
      theirs: the other run's config.
      our_data: this run's data; None: the configs alone are compared.
      their_data: the other run's data.

    Raises:
      ConfigError: they have not; it names the first difference.
    """
    names = [f"data.{name}" for name in _FIELDS_OF_X] + ["decoder.name"]
    now, then = flat(ours), flat(theirs)
    changed = None
    if isinstance(our_data, RunData) and their_data is not None:
        changed = _changed(our_data, their_data)
    kinds = {str(names["data.name"]).partition(":")[0] for names in (now, then)}
    has_moved = changed == [] and len(kinds) == 1
    for name in names:
        if now[name] != then.get(name) and not (name == "data.name" and has_moved):
            raise ConfigError(
                f"{field} is of other data: config.{name} is {then.get(name)!r} there and"
                f" {now[name]!r} here."
            )
    if changed and not ours.data.accept_changes:
        raise ConfigError(
            f"{field} is of other data ({'; '.join(changed)} here): train it on these, or"
            " write --config.data.accept_changes=True."
        )


def check_classes(
    field: str, ours: Config, our_data: Described, their_data: RunData
) -> None:
    """Checks that two runs with as many classes call them by the same names.

    Args:
      field: the field that names the other run, for messages.
      ours: this run's config.
      our_data: this run's data.
      their_data: the other run's data.

    Raises:
      ConfigError: a class has another name, and config.data.accept_changes is not set.
    """
    names = zip(their_data.class_names, class_names(our_data), strict=True)
    for label, (there, here) in enumerate(names):
        if there != here and not ours.data.accept_changes:
            raise ConfigError(
                f"{field} has other classes: {label} is {there!r} there and {here!r} here."
                " Train it on these, or write --config.data.accept_changes=True."
            )


def _changed(ours: RunData, theirs: RunData) -> list[str] | None:
    """Clauses on what differs in the splits that both record; None: there is none."""
    both = ours.identities.keys() & theirs.identities.keys()
    for split in sorted(both):
        states = (
            changes.State(data.identities[split], data.class_names, None)
            for data in (theirs, ours)
        )
        if clauses := changes.between(*states):
            return clauses
    return [] if both else None
