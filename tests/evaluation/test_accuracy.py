"""A classifier's evaluation, and bits of images whose class is told."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from etils import epath

from ddpm_jax import evaluate, train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.evaluation import accuracy
from ddpm_jax.models import build
from tests import tiny
from tests.data.conftest import encoded

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A classifier's workdir, evaluated while it trained."""
    path = tmp_path_factory.mktemp("run")
    c = tiny.sorting(training__num_steps=4, training__eval_every=2)
    check_config(c)
    assert train.run(c, path) == 0
    return path


def made(**changes):
    """A config, its classifier, and parameters away from their start."""
    c = tiny.sorting(**changes)
    source = build.source(c, "test")
    model = build.classifier_model(c, source)
    params = tiny.away_from_start(jax.jit(model.init)(jax.random.key(0)))
    return c, source, model, params


def measured(path, c, source, model, params):
    found = accuracy.Accuracy(c, tiny.one_device(), model, source)
    told = found.measured(epath.Path(path), params, 3)
    assert found._look._cache_size() == 1
    return told, json.loads((path / "eval" / "3_accuracy.json").read_text())


@pytest.mark.parametrize("num_steps", [10, 0])
def test_the_report_is_the_bound_classifiers_at_each_level(tmp_path, num_steps):
    c, source, model, params = made(schedule__num_steps=num_steps, decoder__mean="z_0")
    told, report = measured(tmp_path, c, source, model, params)

    images = np.stack([source[i]["image"] for i in range(20)]).astype(np.float64)
    labels = np.array([source[i]["label"] for i in range(20)])
    x = images / 8.0 - 1.0
    keys = example_keys(stream_key(c.seed, Stream.EVAL), np.arange(20))
    classify = jax.jit(model.bind(params))
    times = np.arange(11) / 10
    if num_steps:
        # The nearest of ten latents; of two as near the even one.
        times = np.array([0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9]) / 9
    right, nats = np.zeros((11, 20)), np.zeros((11, 20))
    for level, t in enumerate(times):
        log_snr = 6.0 - 12.0 * t
        alpha, sigma = (np.sqrt(scipy.special.expit(s * log_snr)) for s in (1, -1))
        eps = gaussian.normal(gaussian.fold_in(keys, level), (8, 8, 1))
        z_t = jnp.asarray(alpha * x + sigma * np.asarray(eps, np.float64), jnp.float32)
        logits = np.asarray(
            classify(z_t, jnp.full(20, t, jnp.float32)).logits, np.float64
        )
        right[level] = logits.argmax(axis=1) == labels
        log_probs = scipy.special.log_softmax(logits, axis=1)
        nats[level] = -log_probs[np.arange(20), labels]
    of_levels = report["by_level"]
    np.testing.assert_allclose(of_levels["t"], times, atol=1e-6)
    np.testing.assert_allclose(of_levels["log_snr"], 6.0 - 12.0 * times, atol=1e-4)
    np.testing.assert_allclose(of_levels["accuracy"], right.mean(axis=1), atol=1e-6)
    bits = nats / math.log(2.0)
    np.testing.assert_allclose(
        of_levels["cross_entropy_bits"], bits.mean(axis=1), rtol=1e-4
    )
    np.testing.assert_allclose(
        of_levels["stderr"], right.std(axis=1, ddof=1) / math.sqrt(20), atol=1e-6
    )
    np.testing.assert_allclose(report["accuracy"], right.mean(), atol=1e-6)
    np.testing.assert_allclose(report["cross_entropy_bits"], bits.mean(), rtol=1e-4)
    # Over images, each with all its levels: these are not independent.
    error = right.mean(axis=0).std(ddof=1) / math.sqrt(20)
    np.testing.assert_allclose(report["stderr"], error, atol=1e-6)
    assert report["num_examples"] == 20 and report["num_classes"] == 10
    assert report["convention"]["data"]["split"] == "test, the first 20"
    assert report["convention"]["step"] == 3
    assert told.scalars["eval/accuracy"] == report["accuracy"]
    assert told.scalars["eval/accuracy_at_least_noise"] == of_levels["accuracy"][0]
    assert (tmp_path / "eval" / "3_accuracy.png").exists()


def test_batch_size_does_not_change_a_figure(tmp_path):
    reports = []
    for size in (7, 16, 20):
        c, *rest = made(eval__batch_size=size)
        reports.append(measured(tmp_path, c, *rest)[1])
    for report in reports[1:]:
        assert report["accuracy"] == reports[0]["accuracy"]
        assert report["by_level"]["accuracy"] == reports[0]["by_level"]["accuracy"]
        bits = [r["by_level"]["cross_entropy_bits"] for r in (report, reports[0])]
        np.testing.assert_allclose(*bits, rtol=1e-5)


def test_a_classifier_is_evaluated_while_it_trains_and_after(run, capsys):
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    accuracies = {
        row["step"]: row["eval/accuracy"] for row in rows if "eval/accuracy" in row
    }
    assert accuracies.keys() == {2, 4}
    assert not (run / "samples").exists()
    for step, value in accuracies.items():
        file = run / "eval" / f"{step}_accuracy.json"
        while_training = json.loads(file.read_text())
        assert while_training["accuracy"] == value
        file.unlink()
        c = tiny.sorting(training__num_steps=4, eval__step=step)
        check_config(c)
        evaluate.run(c, run)
        assert json.loads(file.read_text()) == while_training
        assert f"step {step}: accuracy {value:.4f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"eval__estimators": "stratified"},
            r"'stratified' is not one of \['accuracy'\]",
        ),
        ({"eval__estimators": "fid"}, r"'fid' is not one of \['accuracy'\]"),
        (
            {"training__sample_every": 2},
            r"sample_every = 2: a classifier draws nothing",
        ),
        ({"model__class_conditional": True}, r"would tell a classifier the answer"),
        ({"schedule__name": "learned_monotone"}, r"cannot learn of a classifier"),
        (
            {"model__classifier__feature_mults": ()},
            r"config.model.classifier.feature_mults = \(\): write whole numbers",
        ),
        ({"model__classifier__dropout": 1.0}, r"config.model.classifier.dropout = 1.0"),
        ({"model__name": "unet"}, r"'accuracy' is not one of .*'stratified'"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(tiny.sorting(**changes))
    assert "\n" not in str(error.value)


def images_without_classes(path):
    path.mkdir()
    for i in range(30):
        noise = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
        (path / f"{i}.png").write_bytes(encoded(noise))
    return f"folder:{path}"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, r"config.model.name = 'classifier' needs classes"),
        (
            {
                "model__name": "unet",
                "model__class_conditional": True,
                "eval__estimators": "stratified",
            },
            r"config.model.class_conditional = True needs classes",
        ),
    ],
)
def test_data_without_classes_is_refused(tmp_path, changes, named):
    name = images_without_classes(tmp_path / "images")
    c = tiny.sorting(**changes, data__name=name)
    check_config(c)
    with pytest.raises(ConfigError, match=named) as error:
        train.run(c, tmp_path / "run")
    assert "\n" not in str(error.value)
