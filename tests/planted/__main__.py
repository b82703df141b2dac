"""Plants small mistakes, one at a time, and says which test sees each.

python -m tests.planted                        all of them
python -m tests.planted --only=sampling        one part, or some: --only=sampling-3,theory-1
python -m tests.planted --list                 what there is

Each is planted in a copy of the tree; the tests named beside it run there until one fails. The
exit status is the number that no test saw. What the last campaign found is in planted.md.
"""

import argparse
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from tests import quickly
from tests.planted import every
from tests.planted.mistake import Mistake

ROOT = pathlib.Path(__file__).parents[2]
OWN = ("ddpm_jax", "tests", "configs", "benchmarks", "main")
# Imported once, before a process is forked for each mistake; nothing of the tree itself.
LARGE = (
    *("jax", "jax.numpy", "flax.linen", "flax.struct", "optax", "diffrax", "jaxtyping"),
    *("orbax.checkpoint", "grain", "clu.metric_writers", "clu.parameter_overview"),
    *("ml_collections", "numpy", "scipy.stats", "hypothesis", "PIL.Image", "pytest"),
    *("beartype", "tqdm", "absl.logging", "etils.epath", "matplotlib.figure"),
)
# A mistake may lead a loop nowhere.
LONGEST = 240.0
INTERRUPTED = 2  # The status of pytest.


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.planted",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="parts or names, by commas")
    parser.add_argument("--list", action="store_true", help="say what there is")
    args = parser.parse_args(argv)
    chosen = every.chosen(args.only)
    if args.list:
        for name, mistake in chosen.items():
            print(f"{name:14} {mistake.file}: {mistake.what}")
        return 0
    for name, mistake in chosen.items():
        if every.places(mistake, (ROOT / mistake.file).read_text()) != 1:
            raise SystemExit(f"{name}: {mistake.file} holds its old text not once")
    quickly.set_environment()
    for module in LARGE:
        importlib.import_module(module)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = _copied(pathlib.Path(folder))
        for name, mistake in chosen.items():
            start = time.monotonic()
            seen = _seen_by(mistake, copy)
            missed += not seen
            seconds = time.monotonic() - start
            line = f"| {name} | {mistake.what} | {seen or 'NOT SEEN'} | {seconds:.0f} |"
            print(line, flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} seen")
    return missed


def _copied(folder: pathlib.Path) -> pathlib.Path:
    """A copy of the work tree's files, those that git does not know and ignores left out."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    copy = folder / "tree"
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def _seen_by(mistake: Mistake, copy: pathlib.Path) -> str:
    """The first test that fails with the mistake in the copy; "" if none does."""
    file = copy / mistake.file
    whole = file.read_text()
    file.write_text(whole.replace(mistake.old, mistake.new))
    output = copy.parent / "output"
    try:
        child = os.fork()
        if child == 0:
            _run_tests(mistake.tests, copy, output)
        status = _waited(child)
        return _failing(output.read_text(), status)
    finally:
        file.write_text(whole)


def _run_tests(
    tests: tuple[str, ...], copy: pathlib.Path, output: pathlib.Path
) -> None:
    """In the forked process: pytest in the copy, and no return."""
    status = 99
    try:
        os.chdir(copy)
        for name in list(sys.modules):
            if name.partition(".")[0] in OWN:
                del sys.modules[name]
        sys.path[:] = [str(copy), *(p for p in sys.path if p not in ("", str(ROOT)))]
        sys.dont_write_bytecode = True
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        import pytest

        options = ("-x", "-q", "--no-header", "-p", "no:cacheprovider")
        status = int(pytest.main([*options, *tests]))
        sys.stdout.flush()
    finally:
        os._exit(status)


def _waited(child: int) -> int:
    """The exit status of a forked process, which may take so long and no longer."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -9


def _failing(output: str, status: int) -> str:
    """What pytest's output and status come to."""
    if status == 0:
        return ""
    found = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    if found:
        return found[0].replace("tests/", "", 1).replace("|", "/")
    if status == -9:
        return f"it does not end within {LONGEST:g} s"
    if status == INTERRUPTED:
        return "the tests are interrupted, as by a signal"
    raise SystemExit(f"pytest ended with {status}:\n{output[-2000:]}")


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
