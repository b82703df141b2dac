"""Measurements of a run: its speed, its memory, and a profile of a few steps."""

import contextlib
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from absl import logging
from etils import epath

# A profile leaves out the first steps, which compile and fill caches.
PROFILE_AFTER = 5


class Profile:
    """A profile of a few steps for TensorBoard, after those that compile."""

    def __init__(self, path: epath.PathLike, num_steps: int) -> None:
        self._path, self._num_steps = path, num_steps
        self._is_on = False

    def __enter__(self) -> "Profile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_on:
            self._stop()

    def after_step(self, steps_done: int) -> None:
        """Starts or stops the profile if it is time; steps_done: since the program began."""
        if self._num_steps and steps_done == PROFILE_AFTER:
            jax.profiler.start_trace(str(self._path))
            self._is_on = True
        elif self._is_on and steps_done == PROFILE_AFTER + self._num_steps:
            self._stop()

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        self._is_on = False
        logging.info("profile of %d steps in %s", self._num_steps, self._path)


class Clock:
    """A clock of images per second and time left, paused outside of training."""

    def __init__(self, batch_size: int, start: int, num_steps: int) -> None:
        self._batch_size, self._num_steps = batch_size, num_steps
        self._step, self._since = start, time.perf_counter()
        logging.info("compiling the train step ...")

    def compiled(self, state: Any) -> None:
        jax.block_until_ready(state)
        logging.info("compiled in %.1f s", time.perf_counter() - self._since)
        self._since = time.perf_counter()
        self._step += 1

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._since += time.perf_counter() - start

    def row(self, step: int) -> Mapping[str, float | None]:
        """A row of rates since the last row, and of memory in GiB."""
        seconds = time.perf_counter() - self._since
        steps = step - self._step
        self._step, self._since = step, time.perf_counter()
        seconds_a_step = seconds / steps if steps else None
        return {
            "images_per_second": (
                self._batch_size / seconds_a_step if seconds_a_step else None
            ),
            "minutes_left": (
                seconds_a_step * (self._num_steps - step) / 60
                if seconds_a_step
                else None
            ),
            "memory_gib": peak_memory_bytes() / 2**30,
        }


def peak_memory_bytes() -> int:
    """The peak memory so far of the first device, or of this process on a CPU."""
    stats = jax.local_devices()[0].memory_stats()
    if stats:
        return stats["peak_bytes_in_use"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
