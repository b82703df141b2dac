"""Processes as a user starts them: an error's one line, and what a run prints and leaves."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tests import quickly

ROOT = pathlib.Path(__file__).parents[1]
# One resolution rather than three: less to compile.
CONFIG = (
    "--config=configs/digits.py:smoke",
    "--config.model.unet.feature_mults=(1,)",
    "--config.model.unet.attention_at=(8,)",
    "--config.training.num_steps=1",
    "--config.training.eval_every=0",
    "--config.training.sample_every=0",
)
MAIN, MODULE = ("main.py",), ("-m", "ddpm_jax")


def started(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": quickly.FLAGS},
        capture_output=True,
        text=True,
    )


def not_logged(done):
    """Lines of standard error that are no notes on what goes on."""
    return [line for line in done.stderr.splitlines() if not line.startswith("I")]


@pytest.mark.parametrize("program", [MAIN, (*MODULE, "train")], ids=["main.py", "-m"])
def test_a_wrong_config_is_one_line_and_status_2(program, tmp_path):
    done = started(*program, "--config=configs/digits.py:nope", f"--workdir={tmp_path}")
    assert done.returncode == 2 and done.stdout == ""
    assert len(not_logged(done)) == 1, done.stderr
    assert done.stderr.startswith("error: configs/digits.py, line ")
    assert done.stderr.endswith(": unknown variant 'nope': write :full or :smoke.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_process_trains_and_ends_with_status_0(tmp_path):
    done = started(*MAIN, *CONFIG, f"--workdir={tmp_path}")
    assert done.returncode == 0, done.stderr
    (row,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(row)["step"] == 1 and json.loads(row)["loss"] > 0.0
    assert (tmp_path / "checkpoints" / "1").is_dir()
