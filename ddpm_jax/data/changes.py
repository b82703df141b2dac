"""What has changed between two states of a data set, in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ddpm_jax.data import contents, identity
from ddpm_jax.data.identity import Identity
from ddpm_jax.data.source import Source, class_names
from ddpm_jax.data.split_folders import NO_CLASS, class_of

# Path -> size in bytes, and the digest of the content or "" where it was not looked at.
FileTable = Mapping[str, tuple[int, str]]
# Fields of an identity that the files or the number of examples explain.
EXPLAINED = (identity.NAME, identity.CONTENTS, "version", "num_examples")


class State(NamedTuple):
    """A split of a data set as it was at some time.

    Attributes:
      identity: its identity.
      class_names: the names of classes, in the order of labels.
      files: its files; None: it has none, or they are not known.
      broken: those that could not be read.
    """

    identity: Identity
    class_names: Sequence[str]
    files: FileTable | None
    broken: frozenset[str] = frozenset()


def state_of(source: Source) -> State:
    """The present state of a split."""
    held = getattr(source, "contents", None)
    if not isinstance(held, contents.Contents):
        return State(source.identity, class_names(source), None)
    facts = held.facts
    files = {
        file.path: (file.size, facts[file.path].digest if file.path in facts else "")
        for file in held.files
    }
    broken = frozenset(getattr(source, "broken", ()))
    return State(source.identity, class_names(source), files, broken)


def between(then: State, now: State) -> list[str]:
    """Clauses that say what has changed; none if nothing has.

    A file that could not be read, then or now, may be mended or left out.
    """
    differing = identity.differences(now.identity, then.identity)
    contents_now = now.identity.get(identity.CONTENTS, 1)
    if contents_now == then.identity.get(identity.CONTENTS, 0) or _same_but_broken(
        then, now
    ):
        # The same files, of which broken ones may be left out.
        differing = {f: v for f, v in differing.items() if f not in EXPLAINED}
    if not differing and list(then.class_names) == list(now.class_names):
        return []
    renamed = _renamed(then, now)
    clauses = [f"class {old!r} is called {new!r}" for old, new in renamed.items()]
    gone = [
        name
        for name in then.class_names
        if name not in now.class_names and name not in renamed
    ]
    added = [
        name
        for name in now.class_names
        if name not in then.class_names and name not in renamed.values()
    ]
    clauses += [f"class {_listed(gone)} is gone"] if gone else []
    clauses += [f"class {_listed(added)} is new"] if added else []
    clauses += _labels(then.class_names, now.class_names)
    if then.files is not None and now.files is not None:
        clauses += _files(then.files, now.files, renamed)
    elif "num_examples" in differing:
        here, there = differing["num_examples"]
        clauses.append(f"it has {here} examples, not {there}")
    clauses += [
        f"its {field} is {here!r}, not {there!r}"
        for field, (here, there) in differing.items()
        if field not in EXPLAINED or (field == "version" and now.files is None)
    ]
    return clauses or ["its contents are others"]


def _same_but_broken(then: State, now: State) -> bool:
    """Whether two states have the same files, but for the content of broken ones."""
    if not then.files or not now.files or then.files.keys() != now.files.keys():
        return False
    changed = _changed(then.files, now.files)
    return bool(changed) and then.broken | now.broken >= set(changed)


def _renamed(then: State, now: State) -> dict[str, str]:
    """Old -> new names of classes that have most of their files under a new name."""
    if then.files is None or now.files is None:
        return {}
    before, after = _by_class(then.files), _by_class(now.files)
    renamed: dict[str, str] = {}
    for old in (name for name in then.class_names if name not in now.class_names):
        for new in (name for name in now.class_names if name not in then.class_names):
            ours, theirs = before.get(old, set()), after.get(new, set())
            num_common = len(ours & theirs)
            is_free = new not in renamed.values()
            if is_free and 2 * num_common > max(len(ours), len(theirs)):
                renamed[old] = new
                break
    return renamed


def _by_class(files: FileTable) -> dict[str, set[tuple[str, int]]]:
    """Class -> (path below it, size) of its files."""
    classes: dict[str, set[tuple[str, int]]] = {}
    for path, (size, _) in files.items():
        classes.setdefault(class_of(path), set()).add((_below(path), size))
    return classes


def _labels(then: Sequence[str], now: Sequence[str]) -> list[str]:
    """A clause on a class whose label has moved."""
    new = {name: label for label, name in enumerate(now)}
    for label, name in enumerate(then):
        if new.get(name, label) != label:
            return [f"the label of class {name!r} is {new[name]}, not {label}"]
    return []


def _files(
    then: FileTable, now: FileTable, renamed: Mapping[str, str]
) -> Iterable[str]:
    """Clauses on files that came, went or changed, with an example each."""
    then = {_under(path, renamed): facts for path, facts in then.items()}
    changed = _changed(then, now)
    for paths, verb in (
        (now.keys() - then.keys(), "added"),
        (then.keys() - now.keys(), "removed"),
        (changed, "changed"),
    ):
        if paths:
            files = "file" if len(paths) == 1 else "files"
            yield f"{len(paths)} {files} {verb} (such as {min(paths)})"


def _changed(then: FileTable, now: FileTable) -> list[str]:
    """The paths of both whose sizes differ, or contents where both were looked at."""
    return [
        path
        for path in then.keys() & now.keys()
        if then[path][0] != now[path][0]
        or (then[path][1] != now[path][1] and then[path][1] and now[path][1])
    ]


def _under(path: str, renamed: Mapping[str, str]) -> str:
    """A path under the new name of its class."""
    new = renamed.get(class_of(path))
    return path if new is None else f"{new}/{_below(path)}"


def _below(path: str) -> str:
    return path.split("/", 1)[-1]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name or NO_CLASS) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
