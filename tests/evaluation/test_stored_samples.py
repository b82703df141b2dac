"""The quality of samples that --mode=sample has drawn, from several folders."""

import json

import numpy as np
import pytest

from ddpm_jax import evaluate, sample
from ddpm_jax.core.errors import ConfigError

NUM = 24

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.fixture(scope="module")
def folders(run, judged, tmp_path_factory):
    """Samples 0 to 47 of two jobs."""
    path = tmp_path_factory.mktemp("jobs")
    for first, num in ((0, 20), (20, 28)):
        of = {"sample__first": first, "sample__num_samples": num}
        folder = str(path / f"from_{first}")
        sample.run(judged(**of, sample__batch_size=24, sample__folder=folder), run)
    return path


def measured(run, judged, samples, **changes):
    c = judged(
        eval__estimators="fid,precision_recall",
        eval__quality__num_repeats=2,
        eval__quality__samples=samples,
        sample__batch_size=24,
        **changes,
    )
    evaluate.run(c, run)
    return json.loads((run / "eval" / "2_quality.json").read_text())


def test_samples_of_several_folders_have_the_figures_of_those_drawn_at_once(
    run, judged, folders
):
    drawn = measured(run, judged, "")
    stored = measured(run, judged, f"{folders}/from_*")
    for name, figure in drawn["figures"].items():
        found = stored["figures"][name]["each"]
        np.testing.assert_allclose(found, figure["each"], rtol=1e-5, err_msg=name)
    said = stored["convention"]
    assert said["numbers"] == [[0, 20], [20, 48]]
    assert (said["seed"], said["step"]) == (0, 2)
    assert said["config.sample.sampler"] == "ancestral"
    assert said["reference"] == drawn["convention"]["reference"]
    assert stored["num_network_evaluations"] is None
    assert stored["num_samples"] == NUM


@pytest.mark.parametrize(
    "samples, changes, said",
    [
        (
            "{0}/from_*",
            {"eval__quality__num_samples": 25},
            r"holds 48 samples, and .* asks for num_samples = 25 times num_repeats = 2:"
            r" write num_samples = 24\.$",
        ),
        ("{0}/from_0", {}, r"holds 20 samples, .*: write num_samples = 10\.$"),
        ("{0}/from_0,{0}/from_0", {}, r"holds samples 0 to 19, and .* leave one"),
        (
            "{0}/from_*",
            {"eval__weights": "raw"},
            "are of other weights than config.eval",
        ),
        ("{0}/nowhere", {}, "is no folder with a samples.json"),
    ],
)
def test_samples_that_cannot_be_measured_are_told(
    run, judged, folders, samples, changes, said
):
    with pytest.raises(ConfigError, match=said) as error:
        measured(run, judged, samples.format(folders), **changes)
    text = str(error.value)
    assert text.startswith("config.eval.quality.samples = ") and "\n" not in text


def test_samples_of_another_step_are_told_which(run, judged, folders, tmp_path):
    record = json.loads((folders / "from_0" / "samples.json").read_text())
    record["identity"]["step"] = 1
    (tmp_path / "samples.json").write_text(json.dumps(record))
    images = (folders / "from_0" / "00000.npz").read_bytes()
    (tmp_path / "00000.npz").write_bytes(images)
    with pytest.raises(
        ConfigError, match=r"of step 1, .* write config\.eval\.step = 1\.$"
    ):
        measured(run, judged, str(tmp_path))
