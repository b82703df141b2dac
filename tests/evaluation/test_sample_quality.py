"""Samples' quality: recomputed from the same features, with the reference it is against."""

import json
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from etils import epath

from ddpm_jax import evaluate, sample, train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import features, reference, sample_quality
from ddpm_jax.evaluation.features import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.sample_quality import Samples
from ddpm_jax.metrics import moments
from ddpm_jax.models import build
from ddpm_jax.runs import restore
from tests import tiny

ALL = "fid,kid,inception_score,precision_recall,density_coverage"
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
TORCH = pathlib.Path(__file__).parent / "data" / "torch"


pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """The workdir of a classifier, with checkpoints of steps 1 and 2."""
    path = tmp_path_factory.mktemp("judge")
    assert train.run(tiny.sorting(training__checkpoint_every=1), path) == 0
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The workdir of a denoiser."""
    path = tmp_path_factory.mktemp("run")
    assert train.run(tiny.config(training__num_steps=2), path) == 0
    return path


def config(judge, **changes):
    settings = {
        "eval__estimators": ALL,
        "eval__batch_size": 512,
        "eval__quality__extractor": "classifier",
        "eval__quality__classifier": str(judge),
        "eval__quality__num_samples": NUM,
        "sample__num_steps": 3,
    }
    return tiny.config(**(settings | changes))


@pytest.fixture(scope="module")
def t(run):
    return restore.load(tiny.config(), run, step=-1, weights="ema")


@pytest.fixture(scope="module")
def extractor(t, judge):
    return features.make(config(judge), t.mesh, t.source)


def seen_of(extractor, images):
    """What the extractor makes of images, eight devices' worth at a time."""
    padded = np.concatenate([images, images[: -len(images) % 8]])
    seen = extractor.look(jnp.asarray(padded))
    return ExtractedFeatures(*(part[: len(images)] for part in seen))


@pytest.fixture(scope="module")
def train_images():
    source = build.source(tiny.config(), "train")
    return np.stack([source[i]["image"] for i in range(len(source))])


@pytest.fixture(scope="module")
def real(extractor, train_images):
    return seen_of(extractor, train_images).features


def frechet(a, b):
    """By scipy's root of the product, in float64."""
    a, b = (np.asarray(values, np.float64) for values in (a, b))
    (mean_a, cov_a), (mean_b, cov_b) = ((v.mean(0), np.cov(v.T)) for v in (a, b))
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2.0 * root)


def test_features_are_those_of_images_without_noise(extractor, judge, train_images):
    c = tiny.sorting()
    own = restore.load_classifier(c, judge, step=2, weights="ema")
    x = train_images[:16].astype(np.float32) / 8.0 - 1.0
    # At t = 0 the log SNR is 6.
    alpha = np.float32(math.sqrt(1.0 / (1.0 + math.exp(-6.0))))
    classify = own.model.bind(jax.device_get(own.params))
    found = classify(jnp.asarray(alpha * x), jnp.zeros(16))
    seen = seen_of(extractor, train_images[:16])
    np.testing.assert_allclose(seen.features, found.features, atol=1e-5)
    want = jax.nn.log_softmax(found.logits)
    np.testing.assert_allclose(seen.log_probs, want, atol=1e-5)
    assert extractor.identity["step"] == 2


def test_a_report_is_what_its_samples_features_say(
    run, judge, extractor, real, tmp_path, capsys
):
    c = config(judge, eval__quality__num_repeats=3)
    check_config(c)
    evaluate.run(c, run)
    report = json.loads((run / "eval" / "2_quality.json").read_text())
    assert report["figures"].keys() == FIGURES

    # The same samples, by number: those that --mode=sample writes.
    of_samples = {"sample__num_samples": 3 * NUM, "sample__batch_size": 24}
    c = config(judge, **of_samples, sample__folder=str(tmp_path / "drawn"))
    sample.run(c, run)
    images = np.load(tmp_path / "drawn" / "00000.npz")["images"]
    seen = seen_of(extractor, images)
    parts = [slice(i * NUM, (i + 1) * NUM) for i in range(3)]
    want = [frechet(real, seen.features[part]) for part in parts]
    fid = report["figures"]["fid"]
    np.testing.assert_allclose(fid["each"], want, rtol=1e-5)
    np.testing.assert_allclose(fid["mean"], np.mean(want), rtol=1e-5)
    np.testing.assert_allclose(
        fid["stderr"], np.std(want, ddof=1) / math.sqrt(3), rtol=1e-3
    )
    assert len(set(fid["each"])) == 3
    scores = [
        # exp of the mean divergence from the mean, of each of ten parts.
        np.mean(
            [
                np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), axis=1)))
                for p in np.array_split(
                    np.exp(seen.log_probs[part], dtype=np.float64), 10
                )
            ]
        )
        for part in parts
    ]
    found = report["figures"]["inception_score"]["each"]
    np.testing.assert_allclose(found, scores, rtol=1e-4)

    assert report["num_samples"] == NUM and report["num_repeats"] == 3
    assert report["num_network_evaluations"] == 3.0
    said = report["convention"]
    assert said["seed"] == 0 and said["weights"] == "ema:0.9" and said["step"] == 2
    assert said["sampler"] == "ancestral" and said["num_steps"] == 3
    assert said["reference"]["extractor"]["name"] == "classifier"
    assert said["reference"]["data"]["split"] == "train"
    out = capsys.readouterr().out
    assert f"fid {fid['mean']:.4g} (s.e." in out and f"of {NUM} samples" in out


def test_one_repetition_has_no_error(run, judge):
    c = config(judge, eval__estimators="fid", eval__quality__num_samples=8)
    evaluate.run(c, run)
    figures = json.loads((run / "eval" / "2_quality.json").read_text())["figures"]
    assert figures.keys() == {"fid"} and figures["fid"]["stderr"] is None


@pytest.mark.parametrize(
    "metric, classes, is_told",
    [
        ("kid", (-1, -1), True),
        ("kid", (-1,), False),
        ("kid", (), False),
        ("precision_recall", (-1, -1), False),
    ],
)
def test_a_kernel_distance_of_classes_in_turn_is_warned_of(
    run, judge, caplog, metric, classes, is_told
):
    c = config(judge, eval__estimators=metric, sample__classes=classes)
    evaluate.run(c, run)
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert any("config.sample.classes = (-1, -1)" in line for line in said) == is_told


class Told:
    """In place of samples, images of which the features are known."""

    def __init__(self, seen):
        self.seen = seen

    def draw(self, number):
        return Samples(self.seen, np.full(len(self.seen.features), -1), 1.0, 0.0)


def test_training_images_are_perfect_samples(judge, extractor, train_images, real):
    few = real[::4]
    own = Reference({}, moments.of(few), few)
    told = Told(seen_of(extractor, train_images[::4]))
    found = sample_quality.measured(config(judge), own, told)["figures"]
    assert found["fid"]["mean"] < 1e-6
    for name in ("precision", "recall", "coverage"):
        assert found[name]["mean"] == 1.0
    # Other images are worse.
    noise = np.random.default_rng(0).integers(0, 17, (64, 8, 8, 1)).astype(np.uint8)
    worse = sample_quality.measured(config(judge), own, Told(seen_of(extractor, noise)))
    assert worse["figures"]["fid"]["mean"] > 0.01
    assert worse["figures"]["kid"]["mean"] > found["kid"]["mean"]


def test_many_samples_of_few_images_have_a_kernel_distance(judge, real, monkeypatch):
    monkeypatch.setattr(sample_quality, "MOST_PAIRED", 500)
    own = Reference({}, moments.of(real[:300]), real[:300])
    log_probs = np.full((600, 2), math.log(0.5), np.float32)
    found = sample_quality.METRICS["kid"](
        own, ExtractedFeatures(real[400:1000], log_probs)
    )
    every = sample_quality.kernel.distance(real[:300], real[400:1000])
    np.testing.assert_allclose(found["kid"], every, atol=1e-2)


def test_how_often_a_sample_is_of_its_class():
    log_probs = np.log(np.eye(3, dtype=np.float32)[[0, 1, 2, 2]] + 0.1)
    seen = ExtractedFeatures(np.zeros((4, 1), np.float32), log_probs)
    assert (
        sample_quality.accuracy(Samples(seen, np.array([0, 2, 2, -1]), 1.0, 0.0))
        == 2 / 3
    )


def test_a_reference_is_of_every_training_image(t, judge, extractor, real, tmp_path):
    c = config(judge, eval__batch_size=504)
    found = reference.of(c, epath.Path(tmp_path), t.mesh, extractor)
    assert found.moments.num == len(real) == 1437
    np.testing.assert_allclose(found.moments.mean, real.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.moments.covariance, np.cov(real.T), atol=1e-5)
    np.testing.assert_allclose(found.features, real, atol=1e-5)
    assert found.identity["data"]["num_examples"] == 1437


def test_of_many_images_some_are_kept_evenly(
    t, judge, extractor, real, tmp_path, monkeypatch
):
    monkeypatch.setattr(reference, "MOST_KEPT", 10)
    found = reference.of(config(judge), epath.Path(tmp_path), t.mesh, extractor)
    places = [i * 1437 // 10 for i in range(10)]
    np.testing.assert_allclose(found.features, real[places], atol=1e-5)
    assert found.moments.num == 1437


def test_a_reference_is_kept_where_it_fits_and_made_again_where_not(
    t, judge, extractor, tmp_path, monkeypatch
):
    path, made = epath.Path(tmp_path), []
    make = reference._made
    monkeypatch.setattr(reference, "_made", lambda *args: made.append(1) or make(*args))

    def ask(extractor, **changes):
        made.clear()
        found = reference.of(config(judge, **changes), path, t.mesh, extractor)
        return found, len(made)

    first, num = ask(extractor)
    assert num == 1
    again, num = ask(extractor)
    assert num == 0 and again.identity == first.identity
    np.testing.assert_array_equal(again.features, first.features)
    np.testing.assert_array_equal(again.moments.covariance, first.moments.covariance)
    # By other arrays, of other data, and after damage.
    other = extractor._replace(identity={**extractor.identity, "arrays": "other"})
    assert ask(other)[1] == 1
    assert ask(extractor, data__train_split="test")[1] == 1
    file = path / "reference" / "classifier.npz"
    file.write_bytes(file.read_bytes()[:1000])
    assert ask(extractor)[1] == 1

    # One that is named is somebody's: it is used or refused.
    named = {"eval__quality__reference": str(file)}
    assert ask(extractor, **named)[1] == 0
    for wrong, changes, words in (
        (other, {}, r"extractor.arrays is '\w+' there and 'other' here"),
        (extractor, {"data__train_split": "test"}, r"data.split is 'train' there"),
    ):
        with pytest.raises(ConfigError, match=words) as error:
            ask(wrong, **named, **changes)
        assert "config.eval.quality.reference = " in str(error.value)
        assert "\n" not in str(error.value) and not made
    nowhere = {"eval__quality__reference": str(tmp_path / "nowhere.npz")}
    with pytest.raises(
        ConfigError, match=r"nowhere.npz' cannot be used .no reference is there"
    ):
        ask(extractor, **nowhere)


@pytest.mark.parametrize("content", [b"", b"a text of the user's"])
def test_what_is_no_reference_is_not_replaced(judge, tmp_path, content):
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    c = config(judge, eval__quality__reference=str(file))
    with pytest.raises(ConfigError, match=r"notes.txt' is there and is no reference"):
        reference.run(c, tmp_path / "run")
    assert file.read_bytes() == content


def test_a_reference_can_be_made_ahead(t, judge, extractor, tmp_path, capsys):
    file = tmp_path / "kept" / "digits.npz"
    c = config(judge, eval__quality__reference=str(file))
    reference.run(c, tmp_path / "run")
    assert f"1437 images, 8 features each: {file}" in capsys.readouterr().out
    found = reference.of(c, t.path, t.mesh, extractor)
    assert found.moments.num == 1437


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"num_samples": 1},
            r"eval.quality.num_samples = 1 is too few for 'fid': write 2",
        ),
        (
            {"num_samples": 3, "estimators": "precision_recall"},
            r"num_samples = 3 is too few for 'precision_recall': write 4 or more",
        ),
        (
            {"num_samples": 5, "estimators": "density_coverage"},
            r"num_samples = 5 is too few for 'density_coverage': write 6 or more",
        ),
        ({"num_repeats": 0}, r"config.eval.quality.num_repeats = 0: write 1 or more"),
        (
            {"classifier": ""},
            r"'classifier' needs config.eval.quality.classifier, the work",
        ),
        (
            {"extractor": "inception"},
            r"needs config.eval.quality.inception, the file pt_",
        ),
        ({"extractor": "clasifier"}, r"Did you mean 'classifier'"),
        ({"preparation": "tensorflw"}, r"Did you mean 'tensorflow'"),
        ({"estimators": "fid,kdi"}, r"Did you mean 'kid'"),
        ({"estimators": "fid,accuracy"}, r"'accuracy' is not one of"),
        ({"estimators": "fid,fid"}, r"names one twice"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(judge, changes, message):
    options = {
        f"eval__{'' if name == 'estimators' else 'quality__'}{name}": value
        for name, value in changes.items()
    }
    with pytest.raises(ConfigError, match=message) as error:
        check_config(config(judge, **options))
    assert "\n" not in str(error.value)


def test_extractors_that_cannot_be_had_are_refused(run, judge, tmp_path):
    (tmp_path / "text.pth").write_text("no weights")
    inception = r"config.eval.quality.inception = "
    by_classifier = r"config.eval.quality.classifier = "
    for field, value, message in (
        ("inception", tmp_path / "nowhere.pth", rf"{inception}.* cannot be read \(No"),
        ("inception", tmp_path / "text.pth", rf"{inception}.*text.pth': "),
        ("inception", TORCH / "zip.pth", rf"{inception}.*zip.pth'.*(fc|Conv|Mixed)"),
        (
            "classifier",
            tmp_path / "nowhere",
            rf"{by_classifier}.* holds no config.json",
        ),
        ("classifier", run, rf"{by_classifier}.* is of config.model.name = 'unet'"),
    ):
        options = {f"eval__quality__{field}": str(value)}
        c = config(judge, eval__quality__extractor=field, **options)
        check_config(c)
        with pytest.raises(ConfigError, match=message) as error:
            evaluate.run(c, run)
        assert "\n" not in str(error.value)
