"""An evaluation under way: the rows of its finished batches, kept until all are.

They lie in eval/unfinished/<step>/<estimator>-<digest>/, the digest being that of all that the
rows depend on: an evaluation with other settings does not find them.
"""

import hashlib
import io
import json
from typing import Any

import jax
import numpy as np
from etils import epath

from ddpm_jax.core import files, loaded_plugins, outside
from ddpm_jax.evaluation.results.rows import Rows
from ddpm_jax.evaluation.results.saved import FOLDER


class Store:
    """The rows of one estimator at one step. Only process 0 reads and writes."""

    def __init__(self, path: epath.Path, step: int, name: str, settings: Any) -> None:
        code = [jax.__version__, *loaded_plugins.identity().values()]
        text = json.dumps([*code, settings], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        folder = path / FOLDER / "unfinished" / str(step)
        self._folder = folder / f"{name}-{digest}"

    def read(self, num_batches: int) -> list[Rows]:
        """The rows of the finished batches, from the first on, up to one that is not there.

        None where they are not for this process to read.
        """
        found: list[Rows] = []
        while jax.process_index() == 0 and len(found) < num_batches:
            rows = _loaded(self._file(len(found)))
            if rows is None:
                break
            found.append(rows)
        return found

    def add(self, number: int, rows: Rows) -> None:
        """Keeps the rows of a batch; they are on the disk when this returns."""
        if jax.process_index() != 0:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **rows)
        files.replace_bytes(self._file(number), buffer.getvalue())

    def forget(self) -> None:
        """Removes what was kept: the report is written."""
        if jax.process_index() == 0 and self._folder.exists():
            self._folder.rmtree()
            for folder in (self._folder.parent, self._folder.parent.parent):
                if not any(folder.iterdir()):
                    folder.rmdir()

    def _file(self, number: int) -> epath.Path:
        return self._folder / f"{number}.npz"


def _loaded(file: epath.Path) -> Rows | None:
    """The rows of a file; None if it is not there or damaged: they are computed again."""
    if not file.exists():
        return None
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # A damaged file can raise any exception.
        if outside.is_passing(error):
            raise
        return None
