"""What a fault is: an injected harm, and what has to be seen of it."""

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable, Sequence

# The places that a command may start from; those after "new" hold a run.
STARTS = ("new", "begun", "done", "evaluated", "sampled", "pictures")


class Place:
    """A copy of one of the starts, in which a fault is injected.

    Attributes:
      run: the workdir.
      home: the folder that it lies in, with nothing else of the run's.
      pictures: the folder of images.
      judge: a classifier's workdir.
    """

    def __init__(self, home: pathlib.Path) -> None:
        self.home, self.run = home, home / "run"
        self.pictures, self.judge = home / "pictures", home / "judge"


Harm = Callable[[Place], contextlib.AbstractContextManager[object]]


@dataclasses.dataclass(frozen=True)
class Fault:
    """A command that meets a fault.

    Attributes:
      what: the fault in words.
      command: "train", "eval", "sample", "reference" or "compare".
      start: one of `STARTS`.
      says: a regular expression that the one line has, or, with status 0, the log.
      around: the harm done to the files, undone when the command has ended.
      inside: the harm done within the process of the command.
      statuses: the exit statuses that it may end with.
      more: further flags of the command.
      mend: further flags with which the command goes on; None: it cannot go on.
      loses: whether the harm itself destroys what a checkpoint held.
    """

    what: str
    command: str
    start: str
    says: str
    around: Harm | None = None
    inside: Harm | None = None
    statuses: tuple[int, ...] = (1, 2)
    more: Sequence[str] = ()
    mend: Sequence[str] | None = ()
    loses: bool = False
