"""The command line as a user meets it: exit statuses, one line an error, three modes."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import quickly

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = "--config=configs/digits.py:smoke"
# One resolution rather than three: less to compile.
SMALLER = (
    "--config.model.unet.feature_mults=(1,)",
    "--config.model.unet.attention_at=(8,)",
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


def main(*arguments, cache=None):
    env = os.environ | {"XLA_FLAGS": quickly.FLAGS}
    kept = [f"--compilation_cache={cache}"] if cache else []
    return subprocess.run(
        [sys.executable, "main.py", *arguments, *kept],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
    )


def complaint(done):
    """The one line of an error, after a check that there is no more."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("I")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert done.stdout == ""
    return lines[0]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            [CONFIG, "--mode=evl"],
            "--mode = 'evl' is not one of ['eval', 'reference', 'sample', 'train']",
        ),
        ([CONFIG, "--config.data.batchsize=3"], "config.data.batchsize"),
        ([CONFIG, "--config.seed=one"], "--config.seed=one"),
        (["--config=configs/nothing.py"], "configs/nothing.py"),
        (["--config=configs/digits.py:tiny"], "unknown variant 'tiny'"),
        ([], "--config is missing"),
        ([CONFIG, "--wrkdir=x"], "wrkdir"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(arguments, said, tmp_path):
    done = main(*arguments, f"--workdir={tmp_path}")
    assert done.returncode == 2
    assert said in complaint(done)
    assert list(tmp_path.iterdir()) == []


def test_the_three_modes_and_a_second_run_with_another_config(tmp_path, cache):
    workdir = tmp_path / "run"
    at = [*SMALLER, f"--workdir={workdir}"]
    # Of the modes, the one that starts fastest.
    done = main(CONFIG, *at, "--mode=sample")
    assert done.returncode == 2
    assert "train there first" in complaint(done)

    done = main(CONFIG, *at, cache=cache)
    assert done.returncode == 0, done.stderr
    trained = json.loads((workdir / "eval" / "4.json").read_text())
    (workdir / "eval" / "4.json").unlink()

    done = main(CONFIG, *at, "--mode=eval", cache=cache)
    assert done.returncode == 0, done.stderr
    assert f"{trained['bits_per_dim']:.4f} bits per dim" in done.stdout
    assert json.loads((workdir / "eval" / "4.json").read_text()) == trained

    done = main(CONFIG, *at, "--mode=sample", cache=cache)
    assert done.returncode == 0, done.stderr
    drawn = workdir / "samples" / "4_ancestral_5"
    assert f"step 4: 8 samples in {drawn}\n" in done.stdout
    assert "evaluations of the network, a sample: 5\n" in done.stdout
    assert Image.open(drawn.with_suffix(".png")).mode == "L"
    images = np.load(drawn / "00000.npz")
    assert images["num_values"] == 17
    # The same that were drawn while training.
    of_training = np.load(workdir / "samples" / "4.npz")["images"]
    np.testing.assert_array_equal(images["images"], of_training)

    done = main(CONFIG, *at, "--config.prediction=v")
    assert done.returncode == 2
    assert "config.prediction (now 'v', then 'eps')" in complaint(done)


def test_a_batch_that_does_not_divide_is_refused_before_any_work(tmp_path):
    done = main(
        CONFIG,
        f"--workdir={tmp_path / 'run'}",
        "--config.training.num_microbatches=3",
    )
    assert done.returncode == 2
    assert "config.data.batch_size = 8 does not divide" in complaint(done)
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_is_not_there_is_refused(tmp_path):
    done = main(
        CONFIG, f"--workdir={tmp_path}", "--config.data.name=folder:/no/such/folder"
    )
    assert done.returncode == 2
    assert "/no/such/folder" in complaint(done)
