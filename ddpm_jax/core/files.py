"""Paths on any file system, and durable writes of small files."""

import os
from typing import IO

from etils import epath

from ddpm_jax.core.errors import ConfigError


def is_local(path: epath.PathLike) -> bool:
    """Whether the path is on this machine's file systems, not gs:// or the like."""
    return "://" not in os.fspath(path)


def absolute(path: epath.PathLike) -> epath.Path:
    """The absolute path of a local path; a remote one as it is."""
    return epath.Path(os.path.abspath(path) if is_local(path) else path)


def append_line(path: epath.Path, line: str) -> None:
    """Appends one line, which is on the disk when this returns."""
    stream: IO[str]
    with path.open("a") as stream:
        stream.write(line + "\n")
        stream.flush()
        if is_local(path):
            os.fsync(stream.fileno())


def replace_text(path: epath.Path, text: str) -> None:
    """Writes a file atomically: whole, or the one before stays."""
    replace_bytes(path, text.encode())


def replace_bytes(path: epath.Path, data: bytes) -> None:
    """Writes a file atomically: whole, or the one before stays."""
    # With the process id in the name, as two processes may write the same file.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        if is_local(path):
            os.fsync(stream.fileno())
    temporary.replace(path)


def write(file: epath.Path, data: bytes) -> None:
    """Writes a file atomically, with an error that tells the user what to do.

    Raises:
      ConfigError: it cannot be written.
    """
    try:
        replace_bytes(file, data)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written ({error.strerror or error}): mend that and run the"
            " same command again."
        ) from error
