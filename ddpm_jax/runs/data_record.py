"""The record of a run's data in its workdir: what models need of it, and its identity.

data.json holds shape, values, classes and the identities of the splits; data_files.json.gz the
single files of a folder, so that a change can be told by name. A run whose folder has moved
goes on; one whose data have changed is told what has, and refused unless
config.data.accept_changes.
"""

import gzip
import json
from collections.abc import Callable, Mapping

import jax
from absl import logging
from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import changes, record_files, run_data
from ddpm_jax.data.changes import State
from ddpm_jax.data.identity import Identity, differences
from ddpm_jax.data.record_files import FILE, FILES, Record
from ddpm_jax.data.run_data import RunData
from ddpm_jax.data.source import Source, class_names
from ddpm_jax.models import build

# Of more files than these only their digest is kept: a change is then told by its kind.
MOST_FILES = 200_000


def is_there(workdir: epath.Path) -> bool:
    """Whether the workdir says what data it is of."""
    return (workdir / FILE).exists()


def check(workdir: epath.Path, config: Config, sources: Mapping[str, Source]) -> None:
    """Checks that the splits of a run that goes on are those with which it began.

    Args:
      workdir: the workdir.
      config: config of the run.
      sources: the open splits, by the names that the config has.

    Raises:
      ConfigError: one has changed, and config.data.accept_changes is not set.
    """
    record = record_files.read(workdir)
    if record is None:
        return
    for split, source in sources.items():
        _check_form(workdir, record, source)
        if changed := _changed(workdir, record, split, source):
            _refuse(config, _has_changed(workdir, config, record, split), changed)
    if config.data.name != record["name"]:
        logging.info(
            "the data of this run have moved: %s was %s",
            config.data.name,
            record["name"],
        )


def remember(
    workdir: epath.Path, config: Config, sources: Mapping[str, Source]
) -> None:
    """Writes the record, of splits that have been checked against the one before."""
    if jax.process_index() != 0:
        return
    record, first = record_files.read(workdir), next(iter(sources.values()))
    states = {split: changes.state_of(source) for split, source in sources.items()}
    known = dict(record["splits"]) if record else {}
    known |= {split: dict(state.identity) for split, state in states.items()}
    broken = dict(record.get("broken", {})) if record else {}
    broken |= {split: sorted(state.broken) for split, state in states.items()}
    text = json.dumps(
        {
            "name": config.data.name,
            "shape": list(first.shape),
            "num_values": first.num_values,
            "classes": list(class_names(first)),
            "splits": known,
            "broken": {split: paths for split, paths in broken.items() if paths},
        },
        indent=2,
    )
    tables = {
        split: table
        for split, table in record_files.tables(workdir).items()
        if split in known
    }
    tables |= {split: state.files for split, state in states.items() if state.files}
    # The list first: without the record it is not read.
    if tables and sum(map(len, tables.values())) <= MOST_FILES:
        data = gzip.compress(json.dumps(tables).encode(), mtime=0)
        files.replace_bytes(workdir / FILES, data)
    else:
        (workdir / FILES).unlink(missing_ok=True)
    files.replace_text(workdir / FILE, text + "\n")


def data_of(
    workdir: epath.Path,
    config: Config,
    *,
    is_given: bool = False,
    moved: Callable[[str], None] | None = None,
) -> RunData:
    """The data of a run, as far as the record says; else the split to evaluate is opened.

    Args:
      workdir: the workdir.
      config: config of the run.
      is_given: whether the config names or prepares data otherwise than the run's, so that
        identities are those of what is opened.
      moved: is called with the new name when data are opened that have moved.

    Raises:
      ConfigError: the record cannot be read, or without one the data cannot be opened.
    """
    record = record_files.read(workdir)
    if record is None:
        split = config.data.eval_split
        return run_data.of_source(
            build.source(config, split), split, lambda name: build.source(config, name)
        )
    opened: dict[str, Source] = {}

    def open_split(split: str) -> Source:
        if split not in opened:
            opened[split], is_same = _opened(workdir, config, record, split)
            if is_same and moved and config.data.name != record["name"]:
                moved(config.data.name)
        return opened[split]

    height, width, channels = record["shape"]
    return RunData(
        record["name"],
        (height, width, channels),
        record["num_values"],
        tuple(record["classes"]),
        {} if is_given else record["splits"],
        open_split,
    )


def open_split(workdir: epath.Path, config: Config, split: str) -> Source:
    """A split of the config's data, checked if a run has begun in the workdir.

    Raises:
      ConfigError: it cannot be opened, or is not what the run's data were.
    """
    if not is_there(workdir):
        return build.source(config, split)
    return data_of(workdir, config).open_split(split)


def has(workdir: epath.Path, split: str, identity: Identity) -> bool:
    """Whether a split of this identity is recorded, wherever its data lie."""
    record = record_files.read(workdir)
    if record is None or split not in record["splits"]:
        return False
    return not differences(identity, record["splits"][split])


def rename(workdir: epath.Path, name: str) -> None:
    """Writes into the record where the data lie now."""
    if (record := record_files.read(workdir)) is not None:
        text = json.dumps({**record, "name": name}, indent=2) + "\n"
        files.replace_text(workdir / FILE, text)


def _opened(
    workdir: epath.Path, config: Config, record: Record, split: str
) -> tuple[Source, bool]:
    """A split, and whether it is the run's own; else it is of other data that config names.

    Raises:
      ConfigError: it has changed, is of another form, or has classes under other names.
    """
    source = build.source(config, split)
    _check_form(workdir, record, source)
    changed = _changed(workdir, record, split, source)
    if not changed:
        return source, True
    then = record["splits"].get(split, source.identity)
    is_prepared_so = source.identity["resizing"] == then["resizing"]
    if config.data.name == record["name"] and is_prepared_so:
        _refuse(config, _has_changed(workdir, config, record, split), changed)
        return source, False
    what = (
        f"config.data.name = {config.data.name!r} as config.data reads it is other data"
        f" than that of --workdir={workdir}, {record['name']!r}"
    )
    needs_classes = config.model.class_conditional or build.is_classifier(config)
    if needs_classes and list(class_names(source)) != record["classes"]:
        _refuse(config, what, changed)
    logging.warning("%s: %s", what, "; ".join(changed))
    return source, False


def _changed(
    workdir: epath.Path, record: Record, split: str, source: Source
) -> list[str]:
    """Clauses on what is not as recorded; of a split that is not recorded, its classes."""
    now = changes.state_of(source)
    if split in record["splits"]:
        then = record_files.state(workdir, record, split)
    else:
        then = State(now.identity, record["classes"], now.files)
    return changes.between(then, now)


def _check_form(workdir: epath.Path, record: Record, source: Source) -> None:
    """Raises ConfigError unless images have the shape and values of the run's."""
    pairs = {
        "shape": (source.shape, tuple(record["shape"])),
        "number of pixel values": (source.num_values, record["num_values"]),
    }
    for what, (here, there) in pairs.items():
        if here != there:
            raise ConfigError(
                f"{_named(source.name, record['name'])}: the model of"
                f" --workdir={workdir} is of images of the {what} {there}, and these have"
                f" {here}."
            )


def _named(now: str, then: str) -> str:
    if now == then:
        return f"config.data.name = {now!r}"
    return f"config.data.name (now {now!r}, then {then!r})"


def _has_changed(
    workdir: epath.Path, config: Config, record: Record, split: str
) -> str:
    name = config.data.name
    if name != record["name"]:
        return (
            f"config.data.name = {name!r} is not the data of --workdir={workdir}, which"
            f" was {record['name']!r} (split {split!r})"
        )
    return (
        f"config.data.name = {name!r} has changed since --workdir={workdir} was begun"
        f" (split {split!r})"
    )


def _refuse(config: Config, what: str, changed: list[str]) -> None:
    """Raises ConfigError of changed data, or warns where the config accepts them."""
    text = f"{what}: {'; '.join(changed)}"
    if not config.data.accept_changes:
        raise ConfigError(
            f"{text}. Put it back, or write --config.data.accept_changes=True to take it"
            " as it is."
        )
    logging.warning("accepted: %s", text)
