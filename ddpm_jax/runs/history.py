"""The history of a run in its workdir: a line for each start of training.

Unlike metrics.jsonl it says what the run's results do not depend on: when, where and by which
versions a part of them was made, and what was changed of the config.
"""

import datetime
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

import jax
from absl import logging
from etils import epath

from ddpm_jax.config.changes import Change
from ddpm_jax.core import files, loaded_plugins, version

FILE = "history.jsonl"
LIBRARIES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def add(workdir: epath.Path, step: int, changed: Mapping[str, Change]) -> None:
    """Adds the line of a start, and logs each field that has changed since the last one.

    Args:
      workdir: the run's folder.
      step: the step that training goes on from.
      changed: the fields that differ from those of the start before.
    """
    for field, change in changed.items():
        logging.info("from step %d on, %s", step, change.of(field))
    if jax.process_index() != 0:
        return
    line = {
        "step": step,
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "changed": {
            field: {"from": change.then, "to": change.now}
            for field, change in changed.items()
        },
        "devices": devices(),
        "versions": versions(),
        **loaded_plugins.identity(),
    }
    files.append_line(workdir / FILE, json.dumps(line))


def devices() -> dict[str, Any]:
    """The number and kind of all devices, and the number of processes."""
    return {
        "number": jax.device_count(),
        "kind": jax.devices()[0].device_kind,
        "processes": jax.process_count(),
    }


def versions() -> dict[str, str]:
    """The versions of Python, of this package and of what its numbers come from."""
    own = {"python": platform.python_version(), "ddpm_jax": version.VERSION}
    return own | {name: importlib.metadata.version(name) for name in LIBRARIES}
