"""Paths as users write them, in flags, configs and calls: one function reads them all."""

import os
import re

from etils import epath

from ddpm_jax.core.errors import ConfigError

# Storage that is not of this machine's file systems.
REMOTE = ("gs://", "s3://", "az://", "hf://")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*://")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")


def expanded(written: epath.PathLike, field: str) -> epath.Path:
    """The path that a user means, with `~`, `~user`, `$NAME` and `${NAME}` expanded.

    A shell does so with some of what it is given; `--workdir=~/x`, a config file and a
    notebook come as they were written. A remote path stays as it is, and so does a local one
    of something that exists under the very name where a variable is not set.

    Args:
      written: the path as written; relative to the current folder.
      field: the flag or field with its value, for messages, such as "--workdir=~/x".

    Raises:
      ConfigError: it is empty, of unknown storage, or of an unknown user or variable, or both
        what was written and what it expands to are there.
    """
    text = os.fspath(written)
    if not text.strip():
        raise ConfigError(
            f"{field} is an empty path: write one (is the variable set that it came from?)."
        )
    if _SCHEME.match(text):
        return _remote(text, field)
    if text.startswith("~") and os.path.expanduser(text) == text:
        user = text.partition(os.sep)[0]
        raise ConfigError(f"{field}: {user} is no home folder here: write the path.")
    is_there = os.path.lexists(text)
    unset = [name for name in _variables(text) if not os.environ.get(name)]
    if unset and is_there:
        return epath.Path(text)
    if unset:
        raise ConfigError(
            f"{field}: the environment variable {unset[0]} is not set: set it, or write"
            " the path."
        )
    meant = _VARIABLE.sub(
        lambda found: os.environ[found[1] or found[2]], os.path.expanduser(text)
    )
    if is_there and meant != text:
        raise ConfigError(
            f"{field} means {meant}, and something is there under the very name: rename"
            " that, or write the whole path of what is meant."
        )
    path = epath.Path(meant)
    # Of ./~ a path keeps ~ alone, which would be expanded if it were read again.
    return path.absolute() if os.fspath(path).startswith("~") else path


def _remote(text: str, field: str) -> epath.Path:
    if not text.startswith(REMOTE):
        scheme = text.partition("://")[0]
        raise ConfigError(
            f"{field}: {scheme}:// is no storage that is known: write the path of a folder"
            f" or file, or one of {', '.join(REMOTE)}."
        )
    return epath.Path(text)


def _variables(text: str) -> list[str]:
    """The names of the environment variables in a path, in their order."""
    return [braced or plain for braced, plain in _VARIABLE.findall(text)]
