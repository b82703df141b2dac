"""The record of a run's plugins in its workdir: names, and hashes of their files."""

import json
from collections.abc import Mapping

import jax
from absl import logging
from etils import epath

from ddpm_jax.core import files, loaded_plugins
from ddpm_jax.core.errors import ConfigError

FILE = "plugins.json"


def remember(workdir: epath.Path) -> None:
    """Writes the plugins of this process, if there are any, beside config.json."""
    if loaded_plugins.hashes() and jax.process_index() == 0:
        text = json.dumps(loaded_plugins.hashes(), indent=2) + "\n"
        files.replace_text(workdir / FILE, text)


def require(workdir: epath.Path, field: str = "") -> None:
    """Checks that this process has all plugins of a run.

    Args:
      workdir: workdir of the run.
      field: the field that names the run, for the message; "": --workdir.

    Raises:
      ConfigError: a plugin is not loaded, or the record cannot be read.
    """
    missing = sorted(_recorded(workdir).keys() - loaded_plugins.hashes().keys())
    if missing:
        name = missing[0]
        raise ConfigError(
            f"{field or f'--workdir={workdir}'} is of a run with the plugin {name!r}: add"
            f" --plugins={name} (in Python, ddpm_jax.plugins.load({name!r})), or the path"
            f" of its file {name.rpartition('.')[2]}.py."
        )


def check(workdir: epath.Path) -> None:
    """`require`, and a warning of each plugin that has changed since the run had it."""
    require(workdir)
    now = loaded_plugins.hashes()
    for name, then in _recorded(workdir).items():
        if now[name] != then:
            logging.warning(
                "the plugin %s is not as the run in %s had it: its file has changed",
                *(name, workdir),
            )


def _recorded(workdir: epath.Path) -> Mapping[str, str]:
    path = workdir / FILE
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no names of plugins.")
    return found
