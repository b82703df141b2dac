"""A cheap look at image files, in the background: a broken one is told before it is met."""

import threading
import time
from collections.abc import Sequence
from os import PathLike
from typing import Protocol, runtime_checkable

from PIL import Image

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.source import Source

# Files are looked at for so long; with many more, those left are met when they are read.
LONGEST_SECONDS = 120.0
# How long the others are looked at once one is broken, so that all are told at once.
SECONDS_FOR_OTHERS = 2.0
_END = 64 * 1024  # Bytes at a file's end in which its mark of an end is.


@runtime_checkable
class OfFiles(Protocol):
    """A source each of whose examples is a file that can be looked at.

    `fault` is what is wrong with an example's file, as an error of reading it; "" for nothing.
    """

    def __len__(self) -> int: ...

    def fault(self, index: int) -> str: ...


class Watch:
    """A look at every file of some sources, while something else is done."""

    def __init__(self, *sources: Source) -> None:
        """Starts to look at those of the sources that are of files."""
        self._faults: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(sources,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises ConfigError if a broken file was found so far."""
        if not self._faults:
            return
        self._thread.join(SECONDS_FOR_OTHERS)
        first, num_others = self._faults[0], len(self._faults) - 1
        more = f" ({num_others} other files are broken too)" if num_others else ""
        raise ConfigError(f"{first.rstrip('.')}{more}.")

    def close(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _look(self, sources: Sequence[Source]) -> None:
        end = time.monotonic() + LONGEST_SECONDS
        for source in (s for s in sources if isinstance(s, OfFiles)):
            for index in range(len(source)):
                if self._stopped.is_set() or time.monotonic() > end:
                    return
                if fault := source.fault(index):
                    self._faults.append(fault)


def looks_whole(file: PathLike[str]) -> bool:
    """Whether an image file is whole, as far as it shows without decoding pixels.

    A PNG's checksums, and the ends of a JPEG, GIF or WebP file. Of other kinds, and of what is
    no image, it is not known: False.
    """
    try:
        with Image.open(file) as image:
            kind = image.format
            if kind == "PNG":
                image.verify()
                return True
        with open(file, "rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            head = stream.read(12)
            stream.seek(max(0, size - _END))
            tail = stream.read()
    except Exception:  # Each of Pillow's readers has exceptions of its own.
        return False
    if kind in ("JPEG", "MPO"):
        return b"\xff\xd9" in tail
    if kind == "GIF":
        return tail.rstrip(b"\0").endswith(b";")
    if kind == "WEBP":
        return size >= int.from_bytes(head[4:8], "little") + 8
    return False
