"""The fields in which two configs differ, and the config of a mode that uses a trained run."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict as Config

from ddpm_jax.config.schema import default, leaves
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.core.leaf import Belongs, Leaf

# Defaults that fields had in former versions.
FORMER_DEFAULTS: Mapping[str, Any] = {"optimizer.decay_steps": 800_000}
# Fields of the training run of which a mode may have one of its own for the same thing.
OF_EACH_MODE = ("seed", "batch_size")


class Change(NamedTuple):
    """The two values of a field that differs; "absent" where there is no such field."""

    now: Any
    then: Any

    def of(self, field: str) -> str:
        """A text for a person, with the field's name."""
        return f"config.{field} (now {self.now!r}, then {self.then!r})"


def between(ours: Config, theirs: Mapping[str, Any]) -> dict[str, Change]:
    """All fields in which two configs differ, sorted by name.

    Args:
      ours: a config.
      theirs: another config, as from `flat`.
    """
    now = flat(ours)
    # A field that an earlier version did not have is at its default.
    then = flat(default()) | dict(theirs)
    changed = {}
    for field in sorted(now.keys() | then.keys()):
        new, old = now.get(field, "absent"), then.get(field, "absent")
        if new != (tuple(old) if isinstance(old, list) else old):
            changed[field] = Change(new, old)
    return changed


def of_effect(
    ours: Config, theirs: Mapping[str, Any], owners: Iterable[Belongs]
) -> dict[str, Change]:
    """The differing fields of some owners, without options of choices that neither names.

    A field that this version does not know has every owner.
    """
    known, wanted = leaves(), set(owners)
    named = _named(known, flat(ours)) | _named(known, theirs)

    def counts(field: str) -> bool:
        if field not in known:
            return True
        leaf = known[field]
        return leaf.belongs in wanted and (leaf.choice is None or leaf.choice in named)

    changed = between(ours, theirs)
    return {field: change for field, change in changed.items() if counts(field)}


def with_former_defaults(ours: Config, theirs: Mapping[str, Any]) -> Config:
    """A config with the former default where a run began with it and this has the present one.

    Args:
      ours: the config to continue with.
      theirs: the run's config, as from `flat`.
    """
    known, now = leaves(), flat(ours)
    kept = {
        field: former
        for field, former in FORMER_DEFAULTS.items()
        if theirs.get(field) == former and now[field] == known[field].default
    }
    if not kept:
        return ours
    own = ours.copy_and_resolve_references()
    with own.unlocked():
        own.update_from_flattened_dict(kept)
    return own


def refused(ours: Config, theirs: Mapping[str, Any]) -> list[str]:
    """The differences with which a run cannot be continued.

    Args:
      ours: the config to continue with.
      theirs: the run's config, as from `flat`.

    Returns:
      A text for each field: "config.FIELD (now NEW, then OLD)".
    """
    known = leaves()
    fixed = (Belongs.MODEL, Belongs.RUN, Belongs.DATA)
    return [
        change.of(field)
        for field, change in of_effect(ours, theirs, fixed).items()
        if field not in known or not known[field].may_change
    ]


def other_data(ours: Config, theirs: Mapping[str, Any]) -> dict[str, Change]:
    """The differing fields by which two configs may be of other data."""
    known = leaves()
    return {
        field: change
        for field, change in of_effect(ours, theirs, [Belongs.DATA]).items()
        if field in known and not known[field].may_change
    }


def for_mode(given: Config, of_run: Config) -> Config:
    """The config of a mode that uses a trained run: the one given, for this run.

    The model's fields must be the run's, and the training run's are. Those of the data and of
    the mode are taken as they are given.

    Raises:
      ConfigError: a field of the model differs; it names every one that does.
    """
    theirs = flat(of_run)
    changed = of_effect(given, theirs, [Belongs.MODEL])
    if changed:
        raise ConfigError("; ".join(c.of(field) for field, c in changed.items()))
    own = given.copy_and_resolve_references()
    of_the_run = {
        field: theirs[field]
        for field, leaf in leaves().items()
        if leaf.belongs in (Belongs.MODEL, Belongs.RUN)
    }
    with own.unlocked(), own.ignore_type():
        own.update_from_flattened_dict(of_the_run)
    return own


def of_no_effect(
    fields: Iterable[str], given: Config, of_run: Config, mode: str
) -> list[str]:
    """A sentence for each field of the training run that is given another value.

    Args:
      fields: the fields to look at, such as those that a command line overrides.
      given: the config that holds the values given.
      of_run: the run's config.
      mode: the mode's group, such as "sample", which may have a field of that name.
    """
    changed, known = of_effect(given, flat(of_run), [Belongs.RUN]), leaves()
    sentences = []
    for field in fields:
        if field in changed:
            name = field.rpartition(".")[2]
            has_own = name in OF_EACH_MODE and f"{mode}.{name}" in known
            hint = f"; config.{mode}.{name} is this mode's own" if has_own else ""
            sentences.append(
                f"config.{field} = {changed[field].now!r} is of no effect on this mode: of"
                f" the run it is {changed[field].then!r}{hint}"
            )
    return sentences


def _named(
    known: Mapping[str, Leaf], values: Mapping[str, Any]
) -> set[tuple[str, str]]:
    """The choices that fields of a config hold, each with its field."""
    fields = {leaf.choice[0] for leaf in known.values() if leaf.choice}
    named = set()
    for field in fields:
        # Some hold several names, by commas, or an argument after a colon.
        for text in str(values.get(field, known[field].default)).split(","):
            named.add((field, text.strip().partition(":")[0]))
    return named
