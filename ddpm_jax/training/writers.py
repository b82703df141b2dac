"""Writers of a run's numbers: metrics.jsonl, the log, and by CLU TensorBoard.

metrics.jsonl holds computed numbers and no readings of a clock, so that a run that was killed
and resumed leaves the same bytes as one that was not. Rates, memory and time left go to
speed.jsonl instead.
"""

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from absl import logging
from clu import metric_writers, parameter_overview
from etils import epath

from ddpm_jax.core import files

METRICS, SPEED, PARAMETERS = "metrics.jsonl", "speed.jsonl", "parameters.txt"


class Writers:
    """The writers of one run; only process 0 writes files."""

    def __init__(self, workdir: epath.PathLike, resume_step: int) -> None:
        """Opens the writers of a run that continues at `resume_step` (0: from the start).

        Rows of later steps, which the run will compute again, are removed.
        """
        self._workdir = epath.Path(workdir)
        self._is_main = jax.process_index() == 0
        if self._is_main:
            keep_rows_up_to(self._workdir / METRICS, resume_step)
        events = []
        if self._is_main:
            events.append(metric_writers.SummaryWriter(os.fspath(self._workdir)))
        self._clu = metric_writers.AsyncMultiWriter(events)

    def parameters(self, params: Any) -> None:
        """Lists the network's arrays, or their shapes, in parameters.txt."""
        total = parameter_overview.count_parameters(params)
        file = self._workdir / PARAMETERS
        logging.info("%s parameters, listed in %s", f"{total:,}", file)
        if self._is_main:
            listed = parameter_overview.get_parameter_overview(
                params, include_stats=False
            )
            files.replace_text(file, listed.strip() + "\n")

    def metrics(self, step: int, scalars: Mapping[str, float | None]) -> None:
        """Writes a row of computed numbers, a function of config and step."""
        self._write(METRICS, step, scalars)

    def has_row(self, step: int, name: str) -> bool:
        """Whether metrics.jsonl has this number of this step."""
        path = self._workdir / METRICS
        rows = _lines(path) if path.exists() else []
        return any(r["step"] == step and name in r for r in map(json.loads, rows))

    def speed(self, step: int, scalars: Mapping[str, float | None]) -> None:
        """Writes a row of speeds on this machine."""
        self._write(SPEED, step, scalars)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes a picture for TensorBoard, uint8 [height, width, channels]."""
        self._clu.write_images(step, {name: image[None]})

    def _write(self, file: str, step: int, scalars: Mapping[str, float | None]) -> None:
        finite = _finite(scalars)
        if self._is_main:
            # JSON has no NaN: numbers that are not finite are null.
            row = {"step": step} | {k: finite.get(k) for k in scalars}
            files.append_line(self._workdir / file, json.dumps(row))
        self._clu.write_scalars(step, finite)

    def flush(self) -> None:
        self._clu.flush()

    def close(self) -> None:
        self._clu.close()


def progress_line(scalars: Mapping[str, float | None]) -> str:
    """A line of the log with the few numbers by which a person follows a run."""
    formats = {
        "loss": "loss {:.4f}",
        "skipped_steps": "{} steps skipped",
        "images_per_second": "{:.0f} images/s",
        "minutes_left": "{:.1f} minutes left",
    }
    known = {k: v for k in formats if (v := scalars.get(k)) is not None}
    if known.get("skipped_steps") == 0:
        del known["skipped_steps"]
    return ", ".join(formats[name].format(value) for name, value in known.items())


def to_tensorboard(
    workdir: epath.PathLike,
    step: int,
    scalars: Mapping[str, float | None],
    images: Mapping[str, np.ndarray],
) -> None:
    """Adds figures and pictures, uint8 [height, width, channels], to TensorBoard's files."""
    writer = metric_writers.SummaryWriter(os.fspath(workdir))
    writer.write_scalars(step, _finite(scalars))
    writer.write_images(step, {name: image[None] for name, image in images.items()})
    writer.flush()
    writer.close()


def _finite(scalars: Mapping[str, float | None]) -> dict[str, float]:
    return {k: v for k, v in scalars.items() if v is not None and math.isfinite(v)}


def _lines(path: epath.Path) -> list[str]:
    """The lines of a file, also of one that is no text any more."""
    return path.read_bytes().decode(errors="replace").splitlines()


def keep_rows_up_to(path: epath.Path, step: int) -> None:
    """Removes rows of later steps, and a last line that a kill left unfinished."""
    if not path.exists():
        return
    kept, cut = [], 0
    for line in _lines(path):
        try:
            keep = json.loads(line)["step"] <= step
        except (json.JSONDecodeError, KeyError, TypeError):
            keep = False
        if keep:
            kept.append(line + "\n")
        else:
            cut += 1
    if cut:
        logging.info("%s: %d rows after step %d will be written again", path, cut, step)
        files.replace_text(path, "".join(kept))
