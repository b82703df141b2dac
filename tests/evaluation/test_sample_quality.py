"""Samples' quality: recomputed from the same features, with the reference it is against."""

import json
import logging
import math

import numpy as np
import pytest
import scipy.linalg

from ddpm_jax import evaluate, sample
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import sample_quality
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.repeated_samples import RepeatedSamples, Repetition
from ddpm_jax.metrics import moments, neighbours

FIGURES = {
    "fid",
    "kid",
    "inception_score",
    "precision",
    "recall",
    "density",
    "coverage",
}
NUM = 24

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def frechet(a, b):
    """By scipy's root of the product, in float64."""
    a, b = (np.asarray(values, np.float64) for values in (a, b))
    (mean_a, cov_a), (mean_b, cov_b) = ((v.mean(0), np.cov(v.T)) for v in (a, b))
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2.0 * root)


def report_of(run):
    return json.loads((run / "eval" / "2_quality.json").read_text())


@pytest.fixture(scope="module")
def report(run, judged):
    """Of three repetitions by all metrics."""
    c = judged(eval__quality__num_repeats=3)
    check_config(c)
    evaluate.run(c, run)
    return report_of(run)


@pytest.fixture(scope="module")
def drawn(run, judged, look, tmp_path_factory, report):
    """What the judge sees of the same samples, which --mode=sample writes."""
    folder = tmp_path_factory.mktemp("drawn") / "drawn"
    of_samples = {"sample__num_samples": 3 * NUM, "sample__batch_size": 24}
    sample.run(judged(**of_samples, sample__folder=str(folder)), run)
    return look(np.load(folder / "00000.npz")["images"])


PARTS = [slice(i * NUM, (i + 1) * NUM) for i in range(3)]


def test_every_figure_is_what_its_samples_features_say(report, drawn, real):
    score = [
        # exp of the mean divergence from the mean, of each of ten parts.
        np.mean(
            [
                np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), axis=1)))
                for p in np.array_split(
                    np.exp(drawn.log_probs[part], dtype=np.float64), 10
                )
            ]
        )
        for part in PARTS
    ]
    near = [neighbours.precision_recall(real, drawn.features[p]) for p in PARTS]
    among = [neighbours.density_coverage(real, drawn.features[p]) for p in PARTS]
    expected = {
        "fid": [frechet(real, drawn.features[part]) for part in PARTS],
        "inception_score": score,
        "precision": [found.precision for found in near],
        "recall": [found.recall for found in near],
        "density": [found.density for found in among],
        "coverage": [found.coverage for found in among],
    }
    figures = report["figures"]
    assert figures.keys() == FIGURES
    for name, each in expected.items():
        np.testing.assert_allclose(figures[name]["each"], each, rtol=1e-4, err_msg=name)
    for name, figure in figures.items():
        each = np.array(figure["each"])
        assert each.shape == (3,) and len(set(figures["fid"]["each"])) == 3
        np.testing.assert_allclose(figure["mean"], each.mean(), rtol=1e-9)
        error = np.std(each, ddof=1) / math.sqrt(3)
        np.testing.assert_allclose(figure["stderr"], error, rtol=1e-9, err_msg=name)


def test_the_rest_of_the_report_says_of_what_they_are(report, real):
    rest = {name: value for name, value in report.items() if name != "figures"}
    said = rest.pop("convention")
    assert rest == {
        "estimators": [
            "fid",
            "kid",
            "inception_score",
            "precision_recall",
            "density_coverage",
        ],
        "num_network_evaluations": 3.0,
        "num_samples": NUM,
        "num_repeats": 3,
        "num_reference_features": len(real),
    }
    assert said["seed"] == 0 and said["weights"] == "ema:0.9" and said["step"] == 2
    assert said["sampler"] == "ancestral" and said["num_steps"] == 3
    assert said["reference"]["extractor"]["name"] == "classifier"
    assert said["reference"]["data"]["split"] == "train"


def test_one_repetition_has_no_error_and_all_figures_are_told(run, judged, capsys):
    c = judged(eval__estimators="fid,kid", eval__quality__num_samples=9)
    evaluate.run(c, run)
    figures = report_of(run)["figures"]
    assert figures.keys() == {"fid", "kid"} and figures["fid"]["stderr"] is None
    out = capsys.readouterr().out
    fid, kid = (figures[name]["mean"] for name in ("fid", "kid"))
    assert f"step 2: fid {fid:.4g}, kid {kid:.4g} of 9 samples by classifier" in out
    events = b"".join(p.read_bytes() for p in run.iterdir() if "tfevents" in p.name)
    assert b"eval/fid" in events and b"eval/kid" in events


@pytest.mark.parametrize(
    "metric, classes, is_told",
    [
        ("kid", (-1, -1), True),
        ("kid", (-1,), False),
        pytest.param("kid", (), False, marks=pytest.mark.long),
        pytest.param("precision_recall", (-1, -1), False, marks=pytest.mark.long),
    ],
)
def test_a_kernel_distance_of_classes_in_turn_is_warned_of(
    run, judged, caplog, metric, classes, is_told
):
    c = judged(eval__estimators=metric, sample__classes=classes)
    evaluate.run(c, run)
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    told = [line for line in said if line.startswith("config.sample.classes = ")]
    assert len(told) == is_told
    assert all("(-1, -1)" in line and "write ()" in line for line in told)


@pytest.mark.parametrize(
    ("num", "estimators", "warned"), [(8, "fid", 1), (9, "fid", 0), (8, "kid", 0)]
)
def test_covariances_of_no_full_rank_are_warned_of(
    run, judged, caplog, num, estimators, warned
):
    """There are 8 features."""
    c = judged(eval__estimators=estimators, eval__quality__num_samples=num)
    with caplog.at_level(logging.WARNING, logger="absl"):
        evaluate.run(c, run)
    lines = [r.getMessage() for r in caplog.records if "full rank" in r.getMessage()]
    assert len(lines) == warned
    assert all("= 8: " in line and "fid is too large" in line for line in lines)


class KnownSamples(RepeatedSamples):
    """In place of samples, images of which the features are known."""

    def __init__(self, seen):
        self.seen = seen

    def draw(self, number):
        labels = np.full(len(self.seen.features), -1)
        return Repetition(self.seen, labels, 1.0, 0.0)


def test_training_images_are_perfect_samples(judged, look, train_images, real):
    few, c = real[::4], judged()
    own = Reference({}, moments.from_features(few), few)
    same = KnownSamples(look(train_images[::4]))
    found = sample_quality.measured(c, own, same)["figures"]
    assert found["fid"]["mean"] < 1e-6
    for name in ("precision", "recall", "coverage"):
        assert found[name]["mean"] == 1.0
    # Other images are worse.
    noise = np.random.default_rng(0).integers(0, 17, (64, 8, 8, 1)).astype(np.uint8)
    worse = sample_quality.measured(c, own, KnownSamples(look(noise)))
    assert worse["figures"]["fid"]["mean"] > 0.01
    assert worse["figures"]["kid"]["mean"] > found["kid"]["mean"]


def test_a_metric_that_cannot_work_is_named(judged, real):
    broken = np.full((24, 8), np.nan, np.float32)
    own = Reference({}, moments.from_features(real), real)
    log_probs = np.full((24, 3), -math.log(3.0), np.float32)
    seen = ExtractedFeatures(broken, log_probs)
    message = r"config.eval.estimators, 'fid': .*features of example 0 are not finite"
    with pytest.raises(ConfigError, match=message):
        sample_quality.figures(judged(eval__estimators="fid"), own, seen)
