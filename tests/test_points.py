"""A run on points from end to end: what it reports, and the pictures it draws."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from ddpm_jax import evaluate, sample, train
from ddpm_jax.commands import compare
from ddpm_jax.data import truth
from tests import tiny


@pytest.fixture(scope="module")
def config():
    """Everything that is drawn, of few points."""
    return tiny.points(
        data__name="points:checkerboard",
        training__num_steps=2,
        training__sample_every=2,
        training__eval_every=2,
        eval__estimators="stratified,wasserstein,fid",
        eval__quality__extractor="values",
        eval__quality__num_samples=16,
        sample__film__num_frames=3,
        sample__film__num_images=8,
        sample__film__animation="gif",
        sample__contrast__samplers="ddim",
        sample__contrast__num_steps=(3,),
        sample__contrast__num_images=8,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_network, one_device, config):
    """The workdir of a run that was trained, evaluated and sampled."""
    path = tmp_path_factory.mktemp("points")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(truth, "NUM_POINTS", 64)
        assert train.run(config, path) == 0
        evaluate.run(config, path)
        sample.run(config, path)
    return path


def test_training_reports_nats_and_draws_a_plot(run):
    rows = [
        json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    (row,) = (row for row in rows if "eval/nats" in row)
    np.testing.assert_allclose(
        row["eval/nats"], 2.0 * math.log(2.0) * row["eval/bits_per_dim"]
    )
    assert row["eval/excess_nats"] > 0.0
    # No grid of 9 images of one pixel is so large.
    assert min(Image.open(run / "samples" / "2.png").size) > 400
    with np.load(run / "samples" / "2.npz") as arrays:
        assert arrays["images"].dtype == np.float32


def test_an_evaluation_says_the_entropy_the_excess_and_the_distance(run, capsys):
    report = json.loads((run / "eval" / "2.json").read_text())
    part = report["density"]
    np.testing.assert_allclose(part["entropy_of_the_truth"]["nats"], math.log(8.0))
    excess = part["excess_over_the_truth"]
    assert excess["nats"] > 0.0 and excess["stderr_points"] > 0.0
    quality = json.loads((run / "eval" / "2_quality.json").read_text())
    assert set(quality["figures"]) == {"wasserstein", "fid"}
    assert quality["num_reference_features"] == 64
    split = quality["convention"]["reference"]["data"]["split"]
    assert split == "fresh points of the true density"
    assert compare.main([str(run)]) == 0
    header = capsys.readouterr().out.splitlines()[3]
    assert "over the truth" in header and "± points" in header


def test_samples_come_with_pictures_of_them(run):
    found = {
        file.name.removeprefix("2_ancestral_4") for file in (run / "samples").iterdir()
    }
    ends = {".png", "_film.png", "_film.gif", "_contrast.png"}
    assert found >= ends
    for end in ends:
        assert min(Image.open(run / "samples" / f"2_ancestral_4{end}").size) > 100
