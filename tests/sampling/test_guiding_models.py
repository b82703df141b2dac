"""Guidance by another model: whose answer it is, and which models do not fit."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax import train
from ddpm_jax.check import check_config
from ddpm_jax.runs import restore
from ddpm_jax.sampling import guides, sample_batches
from tests import tiny
from tests.sampling.guided import TOLD, WEAK, by_sorter, config, drawn, refused

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_a_classifier_draws_samples_towards_its_class(told, sorter_run):
    plain = drawn(told, sample__classes=(-1,))
    for label in (2, 5):
        classes = {"sample__classes": (label,)}
        np.testing.assert_array_equal(
            drawn(told, **classes, **by_sorter(sorter_run, 0.0)), drawn(told, **classes)
        )
    own = restore.other_classifier(
        "", sorter_run, config(), told.source, step=-1, weights="ema"
    )
    classify = own.model.bind(jax.device_get(own.params))

    def score(pixels, label):
        x = own.model.pixel_decoder.encode(jnp.asarray(pixels))
        log_probs = jax.nn.log_softmax(classify(x, jnp.zeros(len(x))).logits)
        return log_probs[:, label].mean()

    for label in (2, 5):
        classes = {"sample__classes": (label,)}
        unguided = score(drawn(told, **classes), label)
        assert (
            score(drawn(told, **classes, **by_sorter(sorter_run, 10.0)), label)
            > unguided
        )
    # Of no class there is no gradient.
    no_class = drawn(told, sample__classes=(-1,), **by_sorter(sorter_run, 10.0))
    np.testing.assert_array_equal(no_class, plain)


def test_a_classifier_guides_a_model_that_knows_no_classes(plain_run, sorter_run):
    c = tiny.config(**by_sorter(sorter_run, 10.0), sample__classes=(4, -1))
    check_config(c)
    told = restore.load(c, plain_run, step=-1, weights="ema")
    batch = sample_batches.Batches(c, told.mesh, told.model, guides.of(c, told)).draw(
        told.params, 0
    )
    plain = sample_batches.Batches(tiny.config(), told.mesh, told.model).draw(
        told.params, 0
    )
    np.testing.assert_array_equal(batch.labels, [4, -1] * 4)
    np.testing.assert_array_equal(plain.labels, -1)
    same = (batch.pixels == plain.pixels).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, [False, True] * 4)


@pytest.mark.long
def test_autoguidance_by_an_earlier_checkpoint_of_the_same_run(told, told_run):
    np.testing.assert_array_equal(
        drawn(told, **TOLD, **WEAK, sample__autoguidance__scale=1.0),
        drawn(told, **TOLD),
    )
    early = restore.load(config(), told_run, step=2, weights="ema")
    zero = {**TOLD, "sample__autoguidance__scale": 0.0}
    np.testing.assert_array_equal(drawn(told, **WEAK, **zero), drawn(early, **TOLD))
    raw = restore.load(config(), told_run, step=2, weights="raw")
    weights = {"sample__autoguidance__weights": "raw"}
    got = drawn(told, **WEAK, **zero, **weights)
    np.testing.assert_array_equal(got, drawn(raw, **TOLD))
    assert not np.array_equal(got, drawn(early, **TOLD))


def test_autoguidance_by_another_run(told, plain_run):
    other = {
        "sample__guidance": "autoguidance",
        "sample__autoguidance__workdir": str(plain_run),
        "sample__autoguidance__scale": 0.0,
    }
    c = tiny.config()
    weak = restore.load(c, plain_run, step=-1, weights="ema")
    want = sample_batches.Batches(c, weak.mesh, weak.model).draw(weak.params, 0).pixels
    np.testing.assert_array_equal(drawn(told, **other), want)


@pytest.mark.parametrize("group", ["classifier", "autoguidance"])
def test_another_run_must_be_one_that_fits(told, sorter_run, tmp_path, group):
    """A missing one, other data, and other times of a network that is told t."""
    field = rf"config.sample.{group}.workdir = "

    def asked(path):
        return {"sample__guidance": group, f"sample__{group}__workdir": str(path)}

    refused(
        told, rf"{field}'.*nowhere' holds no config.json", **asked(tmp_path / "nowhere")
    )
    (tmp_path / "config.json").write_text("{")
    refused(told, rf"{field}.* is not a workdir of this program", **asked(tmp_path))
    fits = asked(sorter_run if group == "classifier" else told.path)
    for changes, message in (
        ({"decoder__name": "categorical"}, r"other data: config.decoder.name is"),
        ({"data__name": "photos"}, r"other data: config.data.name is 'digits' there"),
        ({"schedule__num_steps": 9}, r"is told t, of config.schedule = .*: 10"),
        ({"schedule__linear_log_snr__log_snr_max": 5.0}, r"is told t, of config.sch"),
        (
            {"schedule__name": "cosine"},
            r"is told t, of config.schedule = .* told log SNR",
        ),
    ):
        refused(told, rf"{field}.* {message}", **{**fits, **changes})
    late = {f"sample__{group}__step": 99}
    refused(told, rf"{field}.* cannot be read: .*99", **fits, **late)


def test_a_denoiser_does_not_classify_nor_a_classifier_denoise(
    told, told_run, sorter_run
):
    refused(
        told,
        r"config.sample.classifier.workdir = .* is of config.model.name = 'unet': write",
        **by_sorter(told_run),
    )
    refused(
        told,
        r"config.sample.autoguidance.workdir = .* draws no images",
        sample__guidance="autoguidance",
        sample__autoguidance__workdir=str(sorter_run),
    )


@pytest.mark.parametrize("kind", ["classifier", "autoguidance"])
def test_weights_that_a_guide_has_not_are_refused(told, sorter_run, kind):
    guide = {"classifier": by_sorter(sorter_run), "autoguidance": WEAK}[kind]
    refused(
        told,
        rf"config.sample.{kind}.* cannot be read: its weights 'best' are none of raw, ema",
        **{**guide, f"sample__{kind}__weights": "best"},
    )


def test_a_guide_of_a_version_to_come_is_refused(told, sorter_run, tmp_path):
    config_file = json.loads((sorter_run / "config.json").read_text())
    config_file["model"]["to_come"] = 1
    (tmp_path / "config.json").write_text(json.dumps(config_file))
    refused(
        told,
        r"config.sample.classifier.workdir = .*config.model.to_come is no field",
        **by_sorter(tmp_path),
    )


def test_a_classifier_of_other_classes_is_refused(told, sorter_run, tmp_path):
    path = tmp_path / "sorter"
    shutil.copytree(sorter_run, path)
    record = json.loads((path / "data.json").read_text())
    record["classes"].remove("9")
    (path / "data.json").write_text(json.dumps(record))
    field = r"config.sample.classifier.workdir = .*"
    refused(
        told, rf"{field} is of other data \(class '9' is new here", **by_sorter(path)
    )
    refused(
        told,
        rf"{field} cannot be read: .*10.*9",
        data__accept_changes=True,
        **by_sorter(path),
    )


def test_a_network_told_log_snr_is_asked_about_any_schedule(told, tmp_path):
    by_log_snr = {"model__time_input": "log_snr"}
    assert train.run(tiny.sorting(**by_log_snr, training__num_steps=1), tmp_path) == 0
    found = drawn(told, **by_sorter(tmp_path), schedule__name="cosine", **by_log_snr)
    assert found.shape == (8, 8, 8, 1)
