"""Small text files, on any file system, of which nothing written is lost."""

import os
from typing import IO

from etils import epath


def append_line(path: epath.Path, line: str) -> None:
    """Adds one line that is on the disk when this returns."""
    stream: IO[str]
    with path.open("a") as stream:
        stream.write(line + "\n")
        stream.flush()
        if isinstance(path, epath.Path) and os.path.exists(path):
            os.fsync(stream.fileno())


def replace_text(path: epath.Path, text: str) -> None:
    """Writes a whole file, or leaves the one before."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.replace(path)
