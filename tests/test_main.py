"""Processes as a user starts them: an error's one line, and what a run prints and leaves."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from ddpm_jax.core import terminal
from tests import quickly

ROOT = pathlib.Path(__file__).parents[1]
# One resolution rather than three: less to compile.
CONFIG = (
    "--config=configs/digits.py:smoke",
    "--config.model.unet.feature_mults=(1,)",
    "--config.model.unet.attention_at=(8,)",
    "--config.training.num_steps=1",
    "--config.optimizer.warmup_steps=0",
    "--config.training.eval_every=0",
    "--config.training.sample_every=0",
)
MAIN, MODULE = ("main.py",), ("-m", "ddpm_jax")


def started(*arguments):
    # What the tests set so that they are quiet, the program has to set itself.
    env = {k: v for k, v in os.environ.items() if k not in terminal.ENVIRONMENT}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=env | {"XLA_FLAGS": quickly.FLAGS},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("program", [MAIN, (*MODULE, "train")], ids=["main.py", "-m"])
def test_a_wrong_config_is_one_line_and_status_2(program, tmp_path):
    done = started(*program, "--config=configs/digits.py:nope", f"--workdir={tmp_path}")
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: configs/digits.py, line ")
    assert done.stderr.endswith(": unknown variant 'nope': write :full or :smoke.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_process_trains_says_so_and_ends_with_status_0(tmp_path):
    done = started(*MAIN, *CONFIG, f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    # These lines and no library's.
    lines = (
        rf"[\d,]+ parameters, listed in {tmp_path}/parameters\.txt",
        r"compiling the train step \.\.\.",
        r"compiled in [\d.]+ s",
        r"step 1: loss [\d.]+",
    )
    date = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
    assert re.fullmatch("".join(f"{date}{line}\n" for line in lines), done.stderr)
    assert done.stdout == ""
    (row,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(row)["step"] == 1 and json.loads(row)["loss"] > 0.0
    assert (tmp_path / "checkpoints" / "1").is_dir()
