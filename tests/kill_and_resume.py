"""Kill a training run at random moments, start it again each time, compare with a whole one.

    python -m tests.kill_and_resume --kills=20

Prints what was compared, and exits with 1 if a single bit differs.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import jax
import numpy as np

from ddpm_jax.training.checkpoints import FOLDER

ROOT = pathlib.Path(__file__).parents[1]
OVERRIDES = (
    "training.num_steps=60",
    "training.log_every=4",
    "training.eval_every=30",
    "training.sample_every=30",
    "training.checkpoint_every=7",
    "training.keep_last=2",
    "loss.time_sampling=importance",
)


def command(workdir: pathlib.Path, cache: pathlib.Path, *more: str) -> list[str]:
    return [
        sys.executable,
        "main.py",
        "--config=configs/digits.py:smoke",
        f"--workdir={workdir}",
        f"--compilation_cache={cache}",
        *(f"--config.{override}" for override in (*OVERRIDES, *more)),
    ]


def start(workdir: pathlib.Path, cache: pathlib.Path, *more: str) -> subprocess.Popen:
    # One device, whatever the caller simulates.
    env = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}
    return subprocess.Popen(
        command(workdir, cache, *more),
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(workdir: pathlib.Path, cache: pathlib.Path, *more: str) -> float:
    """Runs to the end; returns the seconds it took."""
    begun = time.perf_counter()
    process = start(workdir, cache, *more)
    _, errors = process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"exit status {process.returncode}:\n{errors}")
    return time.perf_counter() - begun


def interrupt(
    workdir: pathlib.Path,
    cache: pathlib.Path,
    number: signal.Signals,
    after: float,
    *more: str,
) -> int | None:
    """Runs, sends a signal after so many seconds; None if it was done before that."""
    process = start(workdir, cache, *more)
    try:
        process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.communicate()
        return process.returncode
    if process.returncode != 0:
        raise RuntimeError(f"exit status {process.returncode}")
    return None


def newest_state(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """Every array of the newest checkpoint, read without the program's own code."""
    import orbax.checkpoint as ocp

    newest = max(int(p.name) for p in (workdir / FOLDER).iterdir() if p.name.isdigit())
    tree = ocp.StandardCheckpointer().restore(workdir / FOLDER / str(newest) / "state")
    return {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def differences(ours: pathlib.Path, theirs: pathlib.Path) -> list[str]:
    """What is not bitwise the same in two finished workdirs."""
    found = []
    if (ours / "metrics.jsonl").read_bytes() != (theirs / "metrics.jsonl").read_bytes():
        found.append("metrics.jsonl")
    a, b = newest_state(ours), newest_state(theirs)
    if a.keys() != b.keys():
        found.append("the arrays there are")
    found += [
        name for name in a if name in b and a[name].tobytes() != b[name].tobytes()
    ]
    for file in sorted(theirs.glob("eval/*.json")) + sorted(theirs.glob("samples/*")):
        here = ours / file.relative_to(theirs)
        if not here.exists() or here.read_bytes() != file.read_bytes():
            found.append(str(file.relative_to(theirs)))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--signal", default="SIGKILL", choices=["SIGKILL", "SIGTERM"])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    number = signal.Signals[args.signal]

    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        cache = base / "cache"
        finish(base / "whole", cache)  # Fills the cache of compiled programs.
        seconds = finish(base / "whole_again", cache)
        kills = finished = 0
        while kills < args.kills:
            after = random.uniform(0.3, 1.0) * seconds
            status = interrupt(base / "killed", cache, number, after)
            if status is None:
                # Done before all kills were: begin again, and keep what it left to compare.
                finished += 1
                (base / "killed").rename(base / f"killed_{finished}")
                continue
            kills += 1
            rows = base / "killed" / "metrics.jsonl"
            last = rows.read_text().splitlines()[-1:] if rows.exists() else []
            at = json.loads(last[0])["step"] if last else 0
            print(
                f"kill {kills}: after {after:.1f} s, status {status}, row {at}",
                flush=True,
            )
        finish(base / "killed", cache)
        runs = ["whole_again", *sorted(p.name for p in base.glob("killed*"))]
        failed = False
        for run in runs:
            found = differences(base / run, base / "whole")
            failed |= bool(found)
            state = newest_state(base / run)
            print(f"{run}: {len(state)} arrays; differing: {found or 'none'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
