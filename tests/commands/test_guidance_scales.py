"""The command that shows what guidance gains and costs."""

import json

import numpy as np
import pytest
from PIL import Image

from ddpm_jax import train
from ddpm_jax.commands import guidance_scales
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")
FEW = ("--num-samples=16", "--num-repeats=2", "--num-steps=3", "--batch-size=16")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    path = tmp_path_factory.mktemp("judge")
    assert train.run(tiny.sorting(), path) == 0
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The workdir of a denoiser that is told classes."""
    path = tmp_path_factory.mktemp("run")
    c = tiny.config(training__num_steps=2, model__class_conditional=True)
    assert train.run(c, path) == 0
    return path


def test_each_scale_has_its_figures_and_pictures(run, judge, capsys):
    arguments = [str(run), f"--judge={judge}", "--scales=2,0", *FEW]
    assert guidance_scales.main(arguments) == 0
    table = capsys.readouterr().out
    report = json.loads((run / "scales" / "2_classifier_free.json").read_text())
    assert [row["scale"] for row in report["rows"]] == [0.0, 2.0]
    for row in report["rows"]:
        for name in guidance_scales.COLUMNS:
            each = row[name]["each"]
            assert row[name]["mean"] == pytest.approx(np.mean(each))
            spread = np.std(each, ddof=1) / np.sqrt(2.0)
            assert row[name]["stderr"] == pytest.approx(spread)
            assert f"{np.mean(each):.4f}" in table
    first, last = (row["fid"]["each"] for row in report["rows"])
    assert first != last
    # It is each row's own.
    options = report["convention"]["options"]["classifier_free"]
    assert "scale" not in options and report["convention"]["num_steps"] == 3
    for end in ("", "_classes", "_film"):
        with Image.open(run / "scales" / f"2_classifier_free{end}.png") as picture:
            assert picture.width > 300 and len(picture.convert("L").getcolors()) > 2


def test_a_guide_does_not_judge_itself(run, judge, capsys):
    arguments = [str(run), f"--judge={judge}", "--guidance=classifier", *FEW]
    assert guidance_scales.main([*arguments, f"--guide={judge}"]) == 2
    assert f"--judge={judge} is the guide itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--scales=1,two", "--scales=1,two are not numbers"),
        ("--scales=1,inf", "--scales=1,inf: config.sample.classifier_free.scale = inf"),
        ("--guidance=autogidance", "Did you mean 'autoguidance'?"),
        ("--guide=somewhere", "--guide is not for --guidance=classifier_free"),
        ("--judge=nowhere", "config.eval.quality.classifier = 'nowhere' holds no"),
        ("--plugins=no_such", "--plugins=no_such: there is no such module"),
        ("--num-steps=11", "config.sample.num_steps = 11 is more than"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(run, judge, capsys, flag, message):
    assert guidance_scales.main([str(run), f"--judge={judge}", *FEW, flag]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_run_without_classes_is_refused(judge, tmp_path, capsys):
    assert train.run(tiny.config(training__num_steps=1), tmp_path) == 0
    arguments = [str(tmp_path), f"--judge={judge}", "--guidance=autoguidance"]
    assert guidance_scales.main([*arguments, "--guide-step=1", *FEW]) == 2
    assert "is told no classes" in capsys.readouterr().err
    assert guidance_scales.main([str(judge), f"--judge={judge}", *FEW]) == 2
    assert "is a classifier's, which draws nothing" in capsys.readouterr().err
