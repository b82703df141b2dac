"""A child process that is stopped when this process is."""

import signal
import subprocess
from collections.abc import Sequence
from types import FrameType
from typing import IO


class Child:
    """A child process for one command at a time, to which SIGTERM and SIGINT are passed on.

    Both reach it as SIGTERM; a second signal kills it. It has a process group of its own, as a
    terminal's Ctrl-C would otherwise reach it twice.

    Attributes:
      received: number of the signal received, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Child":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def run(self, command: Sequence[str], log: IO[bytes]) -> int:
        """Runs a command and returns its exit status, -n if signal n ended it."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        if self.received:  # While it started.
            self._process.terminate()
        return self._process.wait()

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill() if self.received else self._process.terminate()
        self.received = number
