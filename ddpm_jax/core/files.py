"""Paths on any file system, and durable writes of small files."""

import contextlib
import io
import os
import shutil

from etils import epath

from ddpm_jax.core.errors import ConfigError


def is_local(path: epath.PathLike) -> bool:
    """Whether the path is on this machine's file systems, not gs:// or the like."""
    return "://" not in os.fspath(path)


def absolute(path: epath.PathLike) -> epath.Path:
    """The absolute path of a local path; a remote one as it is."""
    return epath.Path(os.path.abspath(path) if is_local(path) else path)


def append_line(path: epath.Path, line: str) -> None:
    """Appends one line, which is on the disk when this returns; whole, or not at all."""
    if not is_local(path):
        with path.open("a") as stream:
            stream.write(line + "\n")
        return
    with open(path, "a+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        # What a kill cut off stays a line of its own.
        file.seek(max(0, end - 1))
        start = b"" if file.read(1) in (b"\n", b"") else b"\n"
        try:
            _write_whole(file, start + line.encode() + b"\n")
            os.fsync(file.fileno())
        except OSError as error:
            file.truncate(end)
            raise _named(error, path) from error


def replace_text(path: epath.Path, text: str) -> None:
    """Writes a file atomically: whole, or the one before stays."""
    replace_bytes(path, text.encode())


def replace_bytes(path: epath.Path, data: bytes) -> None:
    """Writes a file atomically: whole, or the one before stays."""
    # With the process id in the name, as two processes may write the same file.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            if is_local(path):
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _named(error, path) from error


def free_bytes(path: epath.PathLike) -> int | None:
    """The room for this user on the file system of a folder; None of a remote one."""
    if not is_local(path):
        return None
    try:
        return shutil.disk_usage(path).free
    except OSError:  # Some network file systems have no answer.
        return None


def in_words(num_bytes: int) -> str:
    """A number of bytes for a person: "1.5 GiB"."""
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    power = min(len(units) - 1, max(0, num_bytes.bit_length() - 1) // 10)
    return f"{num_bytes / 1024**power:.4g} {units[power]}"


def _write_whole(file: io.FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]


def _named(error: OSError, path: epath.Path) -> OSError:
    """An error of writing with the file's name, which writing itself does not know."""
    if error.errno is None or error.filename is not None:
        return error
    return OSError(error.errno, error.strerror, os.fspath(path))


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
