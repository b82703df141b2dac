"""Runs faults, each in a process forked from one that has imported everything."""

import atexit
import contextlib
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.faults.fault import Fault, Harm, Place

CONFIG = pathlib.Path(__file__).with_name("config.py")
# A process that waits for ever is a fault of its own.
LONGEST = 120.0
DATED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
FIGURES = ("metrics.jsonl", "eval/6.json", "samples/6.npz")


class Done(NamedTuple):
    """What a process left.

    Attributes:
      status: exit status.
      out: what it printed.
      log: its standard error.
    """

    status: int
    out: str
    log: str

    @property
    def lines(self) -> list[str]:
        """The lines of standard error that the log has not dated, and that of a stop."""
        dated = f"{DATED.pattern}(?!stopped )"
        return [line for line in self.log.splitlines() if not re.match(dated, line)]


class Campaign:
    """The starts from which commands meet faults, and the verdict on each."""

    def __init__(self, home: pathlib.Path, starts: pathlib.Path) -> None:
        home.mkdir()
        self._home, self._starts = home, starts

    def verdict(self, fault: Fault) -> str:
        """What is wrong with how the program meets a fault; "" if nothing is."""
        home = self._home / "place"
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self._starts / fault.start, home, symlinks=True)
        place = Place(home)
        before = _steps(place)
        arguments = [*_arguments(fault.command, place), *_filled(fault.more, place)]
        around = fault.around or _none
        with around(place):
            done = started(arguments, place, fault.inside or _none, self._home)
            ended = done.status
            if wrong := _as_it_should(fault, done, before, place):
                return wrong
        if fault.mend is None:
            return ""
        again = [*arguments, *_filled(fault.mend, place)]
        done = started(again, place, _none, self._home)
        if done.status or "Traceback" in done.log:
            return f"afterwards status {done.status}: {' / '.join(done.lines)[-500:]}"
        # What was tolerated may have cost rows that the fault itself destroyed.
        return self._other_than_whole(fault, place) if ended else ""

    def _other_than_whole(self, fault: Fault, place: Place) -> str:
        """What differs from a run that met no fault."""
        if fault.command != "train" or fault.more or fault.mend:
            return ""
        whole = self._starts / "done" / "run"
        for name in FIGURES:
            if (place.run / name).read_bytes() != (whole / name).read_bytes():
                return f"{name} is not that of a run without the fault"
        ours, theirs = _steps(place), _steps(Place(self._starts / "done"))
        return "" if max(ours) == max(theirs) else f"it ends with the steps {ours}"


def started(
    arguments: Sequence[str], place: Place, inside: Harm, home: pathlib.Path
) -> Done:
    """Runs a command to its end in a forked process; its output goes through files in home."""
    out, log = home / "out", home / "log"
    child = os.fork()
    if child == 0:
        _child(arguments, place, inside, out, log)
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return Done(code, out.read_text(), log.read_text())
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return Done(-9, out.read_text(), log.read_text() + "\nit did not end")


def make_starts(home: pathlib.Path) -> pathlib.Path:
    """Runs that met no fault, from which commands meet them: a folder of `STARTS`."""
    starts = home / "starts"

    def must(place: pathlib.Path, command: str, *more: str, **judge: str) -> None:
        arguments = _arguments(command, Place(place))
        if judge:
            arguments[1] += judge["config"]
            arguments[2] = f"--workdir={place / judge['run']}"
        done = started([*arguments, *more], Place(place), _none, home)
        if done.status:
            raise SystemExit(f"{command} without a fault: {done.status}\n{done.log}")

    quiet = ("--config.training.eval_every=0", "--config.training.sample_every=0")
    two = ("--config.training.num_steps=2", *quiet)
    new = starts / "new"
    (new / "run").mkdir(parents=True)
    _draw_pictures(new / "pictures")
    one = "--config.training.num_steps=1"
    must(new, "train", one, config=":sorter", run="judge")
    begun = shutil.copytree(new, starts / "begun")
    must(begun, "train", *two)
    done = shutil.copytree(begun, starts / "done")
    must(done, "train")
    evaluated = shutil.copytree(done, starts / "evaluated")
    must(evaluated, "eval")
    must(evaluated, "reference")
    sampled = shutil.copytree(done, starts / "sampled")
    must(sampled, "sample", "--config.sample.num_samples=5")
    pictures = shutil.copytree(new, starts / "pictures")
    must(pictures, "train", "--config.data.name=folder:pictures", *two)
    return starts


def _as_it_should(fault: Fault, done: Done, before: Sequence[int], place: Place) -> str:
    """What is wrong with how the command ended; "" if nothing is."""
    tail = " / ".join(done.log.splitlines()[-6:])[-700:]
    if "Traceback" in done.log or "Exception ignored" in done.log:
        return f"a traceback, with status {done.status}: {tail}"
    if done.status not in fault.statuses:
        return f"status {done.status}, not {fault.statuses}: {tail}"
    if done.status == 0:
        told = done.log + done.out
        return (
            "" if re.search(fault.says, told) else f"it says not {fault.says!r}: {tail}"
        )
    if len(done.lines) != 1:
        return f"{len(done.lines)} lines: {' / '.join(done.lines)[:700]}"
    if not re.match(f"error: |({DATED.pattern})?stopped", done.lines[0]):
        return f"an odd line: {done.lines[0]}"
    if not re.search(fault.says, done.log):
        return f"it says not {fault.says!r}: {tail}"
    if len(done.lines[0]) > 900:
        return f"a line of {len(done.lines[0])} characters"
    lost = set(before) - set(_steps(place))
    return (
        f"the checkpoints of {sorted(lost)} are gone"
        if lost and not fault.loses
        else ""
    )


def _steps(place: Place) -> list[int]:
    folder = place.run / "checkpoints"
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def _arguments(command: str, place: Place) -> list[str]:
    if command == "compare":
        return ["compare", str(place.run), f"--out={place.home}/compared.png"]
    judge = [
        "--config.eval.quality.extractor=classifier",
        f"--config.eval.quality.classifier={place.judge}",
    ]
    return [
        command,
        f"--config={CONFIG}",
        f"--workdir={place.run}",
        *(judge if command == "reference" else []),
    ]


def _filled(flags: Sequence[str], place: Place) -> list[str]:
    return [flag.format(home=place.home, run=place.run) for flag in flags]


@contextlib.contextmanager
def _none(_: Place) -> Iterator[None]:
    yield


def _draw_pictures(folder: pathlib.Path) -> None:
    """40 images of 8x8 pixels in two classes, of several formats, in two splits."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for split, number in (("train", 24), ("test", 16)):
        for i in range(number):
            suffix = ("png", "jpg", "gif", "bmp")[i // 2 % 4]
            file = folder / split / "ab"[i % 2] / f"{i:02d}.{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file)


def _child(
    arguments: Sequence[str],
    place: Place,
    inside: Harm,
    out: pathlib.Path,
    log: pathlib.Path,
) -> None:
    """In the forked process: the command from its start to the interpreter's end."""
    status = 1
    try:
        for number, file in ((1, out), (2, log)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        # A path of data is part of a run, and each fault has a copy of its own.
        os.chdir(place.home)
        from ddpm_jax.commands import table
        from ddpm_jax.core import ending

        with inside(place):
            try:
                status = ending.status_of(lambda: table.main(arguments))
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(bool(end.code))
            threading._shutdown()
            atexit._run_exitfuncs()
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(faults: Mapping[str, Fault], num_jobs: int, tell: Callable[[str], None]) -> int:
    """Injects faults, some at a time, and tells of each in a line.

    Returns:
      How many were not met as they should be.
    """
    # Not a folder that removes itself at exit: the forked processes exit too.
    home = pathlib.Path(tempfile.mkdtemp())
    try:
        starts = make_starts(home)
        queue = [list(faults.items())[i::num_jobs] for i in range(num_jobs)]
        children = []
        for number, part in enumerate(queue):
            child = os.fork()
            if child == 0:
                os._exit(
                    min(100, _run(Campaign(home / f"job{number}", starts), part, tell))
                )
            children.append(child)
        statuses = [os.waitpid(child, 0)[1] for child in children]
        return sum(os.waitstatus_to_exitcode(status) for status in statuses)
    finally:
        shutil.rmtree(home)


def _run(
    campaign: "Campaign",
    faults: Sequence[tuple[str, Fault]],
    tell: Callable[[str], None],
) -> int:
    num_wrong = 0
    for name, fault in faults:
        try:
            wrong = campaign.verdict(fault)
        except Exception as error:
            wrong = f"the fault could not be injected: {error!r}"
        num_wrong += bool(wrong)
        verdict = wrong.replace("|", "/") or "met"
        tell(f"| {name} | {fault.command} | {fault.what} | {verdict} |")
    return num_wrong
