"""The files in which a run keeps what its data were, read without the data.

data.json holds name, shape, values, classes and the identities of the splits;
data_files.json.gz the files of each split, if it is of files and there are not too many.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any

from etils import epath

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.changes import State
from ddpm_jax.data.identity import CONTENTS

FILE, FILES = "data.json", "data_files.json.gz"
ENTRIES = ("name", "shape", "num_values", "classes", "splits")

Record = Mapping[str, Any]


def read(workdir: epath.Path) -> Record | None:
    """The record in data.json; None if there is none, as of a run of an earlier version.

    Raises:
      ConfigError: it cannot be read.
    """
    file = workdir / FILE
    if not file.exists():
        return None
    try:
        record: Record = json.loads(file.read_text())
        if missing := set(ENTRIES) - record.keys():
            raise ValueError(f"it has no {min(missing)!r}")
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{file} cannot be used ({error}): remove it, and the data are opened instead."
        ) from error
    return record


def tables(workdir: epath.Path) -> Mapping[str, Any]:
    """The files of each split; none where the list is lost."""
    try:
        stored = json.loads(gzip.decompress((workdir / FILES).read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error):
        return {}
    return stored if isinstance(stored, dict) else {}


def state(workdir: epath.Path, record: Record, split: str) -> State:
    """The state of a recorded split."""
    table = tables(workdir).get(split)
    files = table and {path: tuple(facts) for path, facts in table.items()}
    broken = frozenset(record.get("broken", {}).get(split, ()))
    return State(record["splits"][split], record["classes"], files, broken)


def state_of_contents(workdir: epath.Path, contents: str) -> State | None:
    """The state of the split with these contents; None if the run did not record it."""
    record = read(workdir)
    for split, identity in (record["splits"] if record else {}).items():
        if record and identity.get(CONTENTS) == contents:
            return state(workdir, record, split)
    return None
