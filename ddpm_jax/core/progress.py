"""Progress of long work: a bar on a terminal, nothing elsewhere (the log has lines)."""

import sys
from types import TracebackType

import tqdm


class Bar:
    """A progress bar with rate and time left, shown only on a terminal."""

    def __init__(
        self, title: str, total: int, *, initial: int = 0, shown: bool = True
    ) -> None:
        self._title, self._total, self._initial = title, total, initial
        self._shown = shown and sys.stderr.isatty()
        self._bar: tqdm.tqdm | None = None

    def __enter__(self) -> "Bar":
        self._bar = tqdm.tqdm(
            desc=self._title,
            total=self._total,
            initial=self._initial,
            disable=not self._shown,
            dynamic_ncols=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, num: int = 1) -> None:
        if self._bar is not None:
            self._bar.update(num)

    def inner(self, done: int, total: int) -> None:
        """Shows the progress within the present unit of work; for callbacks from a device."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{done}/{total} of this batch")
