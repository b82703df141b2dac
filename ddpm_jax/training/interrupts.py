"""SIGTERM and SIGINT as requests to stop, which the loop meets after a whole step."""

import signal
from types import FrameType

import numpy as np
from jax.experimental import multihost_utils

# Several processes must stop at one step: they exchange requests after so many steps.
AGREE_EVERY = 10


class StopRequest:
    """A context that records the two signals; a second SIGINT interrupts at once."""

    def __init__(self, num_processes: int) -> None:
        self._num_processes = num_processes
        self._received = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT and self._received == signal.SIGINT:
            raise KeyboardInterrupt
        self._received = number

    def exit_status(self, step: int) -> int | None:
        """128 + the signal's number once it is time to stop after this step, else None."""
        if self._num_processes == 1:
            return 128 + self._received if self._received else None
        if step % AGREE_EVERY:
            return None
        received = multihost_utils.process_allgather(np.int32(self._received))
        number = int(np.max(received))
        return 128 + number if number else None
