"""Guidance from the config: whom it asks, what comes of it, and what it refuses."""

import dataclasses
import itertools
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from etils import epath
from PIL import Image

from ddpm_jax import sample, train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import builtin
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.models import build
from ddpm_jax.models.restored import OtherRuns, Restored
from ddpm_jax.pictures import encoding, grids
from ddpm_jax.runs import restore
from ddpm_jax.sampling import guides, sample_batches
from ddpm_jax.sampling.guide import Guide
from tests import tiny

CONDITIONAL = {"model__class_conditional": True}
FREE = {"sample__guidance": "classifier_free"}
WEAK = {"sample__guidance": "autoguidance", "sample__autoguidance__step": 2}


pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def config(**changes):
    return tiny.config(**(CONDITIONAL | {"optimizer__learning_rate": 0.05} | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir of a model that is told classes, with checkpoints of steps 2 and 4."""
    path = tmp_path_factory.mktemp("run")
    assert train.run(config(training__num_steps=4), path) == 0
    return path


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    """The same of a model that is told none."""
    path = tmp_path_factory.mktemp("plain")
    assert train.run(tiny.config(training__num_steps=2), path) == 0
    return path


@pytest.fixture(scope="module")
def sorter_run(tmp_path_factory):
    """The same of a classifier, with checkpoints of steps 1 and 2."""
    path = tmp_path_factory.mktemp("sorter")
    c = tiny.sorting(training__checkpoint_every=1)
    assert train.run(c, path) == 0
    return path


@pytest.fixture(scope="module")
def t(run):
    return restore.load(config(), run, step=-1, weights="ema")


def drawn(t, **changes):
    """Eight samples, as pixels, guided as the config says."""
    c = config(**changes)
    check_config(c)
    batches = sample_batches.Batches(c, t.mesh, t.model, guides.of(c, t))
    return batches.draw(t.params, 0).pixels


TOLD = {"sample__classes": (3, 7, 0)}


def test_classifier_free_guidance_goes_from_the_one_model_to_the_other(t):
    with_class, without = drawn(t, **TOLD), drawn(t, sample__classes=(-1,))
    assert not np.array_equal(with_class, without)

    def guided(scale):
        return drawn(t, **TOLD, **FREE, sample__classifier_free__scale=scale)

    np.testing.assert_array_equal(guided(1.0), with_class)
    np.testing.assert_array_equal(guided(0.0), without)
    three = guided(3.0)
    assert not np.array_equal(three, with_class)
    # Beyond the one, seen from the other.
    way = (with_class.astype(float) - without).ravel()
    assert np.dot(three.astype(float).ravel() - with_class.ravel(), way) > 0.0


def test_options_of_the_strength_are_used(t):
    scale = {**FREE, **TOLD, "sample__classifier_free__scale": 3.0}
    everywhere = drawn(t, **scale)
    nowhere = {"sample__classifier_free__interval": (20.0, 30.0)}
    np.testing.assert_array_equal(drawn(t, **scale, **nowhere), drawn(t, **TOLD))
    rescaled = drawn(t, **scale, sample__classifier_free__rescale=1.0)
    assert not np.array_equal(rescaled, everywhere)


def by_sorter(path, scale=1.0):
    return {
        "sample__guidance": "classifier",
        "sample__classifier__workdir": str(path),
        "sample__classifier__scale": scale,
    }


def test_a_classifier_draws_samples_towards_its_class(t, sorter_run):
    plain = drawn(t, sample__classes=(-1,))
    for label in (2, 5):
        classes = {"sample__classes": (label,)}
        np.testing.assert_array_equal(
            drawn(t, **classes, **by_sorter(sorter_run, 0.0)), drawn(t, **classes)
        )
    own = restore.other_classifier(
        "", sorter_run, config(), t.source, step=-1, weights="ema"
    )
    classify = own.model.bind(jax.device_get(own.params))

    def score(pixels, label):
        x = own.model.pixel_decoder.encode(jnp.asarray(pixels))
        log_probs = jax.nn.log_softmax(classify(x, jnp.zeros(len(x))).logits)
        return log_probs[:, label].mean()

    for label in (2, 5):
        classes = {"sample__classes": (label,)}
        unguided = score(drawn(t, **classes), label)
        assert (
            score(drawn(t, **classes, **by_sorter(sorter_run, 10.0)), label) > unguided
        )
    # Of no class there is no gradient.
    no_class = drawn(t, sample__classes=(-1,), **by_sorter(sorter_run, 10.0))
    np.testing.assert_array_equal(no_class, plain)


def test_a_classifier_guides_a_model_that_knows_no_classes(plain_run, sorter_run):
    c = tiny.config(**by_sorter(sorter_run, 10.0), sample__classes=(4, -1))
    check_config(c)
    t = restore.load(c, plain_run, step=-1, weights="ema")
    batch = sample_batches.Batches(c, t.mesh, t.model, guides.of(c, t)).draw(
        t.params, 0
    )
    plain = sample_batches.Batches(tiny.config(), t.mesh, t.model).draw(t.params, 0)
    np.testing.assert_array_equal(batch.labels, [4, -1] * 4)
    np.testing.assert_array_equal(plain.labels, -1)
    same = (batch.pixels == plain.pixels).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(same, [False, True] * 4)


def test_autoguidance_by_an_earlier_checkpoint_of_the_same_run(t, run):
    np.testing.assert_array_equal(
        drawn(t, **TOLD, **WEAK, sample__autoguidance__scale=1.0), drawn(t, **TOLD)
    )
    early = restore.load(config(), run, step=2, weights="ema")
    zero = {**TOLD, "sample__autoguidance__scale": 0.0}
    np.testing.assert_array_equal(drawn(t, **WEAK, **zero), drawn(early, **TOLD))
    raw = restore.load(config(), run, step=2, weights="raw")
    weights = {"sample__autoguidance__weights": "raw"}
    got = drawn(t, **WEAK, **zero, **weights)
    np.testing.assert_array_equal(got, drawn(raw, **TOLD))
    assert not np.array_equal(got, drawn(early, **TOLD))


def test_autoguidance_by_another_run(t, plain_run):
    other = {
        "sample__guidance": "autoguidance",
        "sample__autoguidance__workdir": str(plain_run),
        "sample__autoguidance__scale": 0.0,
    }
    c = tiny.config()
    weak = restore.load(c, plain_run, step=-1, weights="ema")
    want = sample_batches.Batches(c, weak.mesh, weak.model).draw(weak.params, 0).pixels
    np.testing.assert_array_equal(drawn(t, **other), want)


def labels_of(num_classes, **changes):
    guide = Guide(num_classes, (), lambda *_: None)
    of_numbers = guides.labels(tiny.config(**changes), guide)
    return lambda numbers: np.asarray(of_numbers(jnp.asarray(numbers)))


def test_drawn_labels_are_uniform_independent_and_each_its_samples_own():
    draw = labels_of(10)
    labels = draw(np.arange(5000))
    counts = np.bincount(labels, minlength=10)
    assert counts.size == 10 and scipy.stats.chisquare(counts).pvalue > 1e-6
    # One after the other: each of 100 pairs as often.
    pairs = np.bincount(10 * labels[:-1] + labels[1:], minlength=100)
    assert scipy.stats.chisquare(pairs).pvalue > 1e-6
    np.testing.assert_array_equal(draw(np.arange(100, 107)), labels[100:107])
    assert not np.array_equal(labels_of(10, seed=1)(np.arange(50)), labels[:50])


def test_listed_labels_come_in_turn():
    listed = labels_of(10, sample__classes=(3, -1, 7))
    np.testing.assert_array_equal(listed(np.arange(4, 11)), [-1, 7, 3, -1, 7, 3, -1])
    np.testing.assert_array_equal(labels_of(0)(np.arange(3)), [-1, -1, -1])


@pytest.mark.parametrize("size", [8, 16])
def test_a_batch_says_which_class_each_sample_was_drawn_for(t, size):
    c = config(sample__batch_size=size)
    batches = sample_batches.Batches(c, t.mesh, t.model, guides.of(c, t))
    found = np.concatenate([batches.draw(t.params, i).labels for i in (0, size)])
    np.testing.assert_array_equal(found, labels_of(10)(np.arange(2 * size)))
    assert batches._compiled._cache_size() == 1


def test_samples_of_other_guiding_arrays_go_into_another_folder(
    t, run, sorter_run, tmp_path
):
    workdir = tmp_path / "sorter"
    shutil.copytree(sorter_run, workdir)
    c = config(
        **by_sorter(workdir),
        sample__folder=str(tmp_path / "drawn"),
        sample__num_steps=2,
    )
    sample.run(c, run)
    sample.run(c, run)
    shutil.rmtree(workdir / "checkpoints" / "2")
    with pytest.raises(ConfigError, match="arrays of classifier") as error:
        sample.run(c, run)
    assert "\n" not in str(error.value)
    assert guides.identity(config(), guides.of(config(), t)) == {}


def test_guidance_while_training(tmp_path):
    often = {"training__num_steps": 2, "training__sample_every": 2}
    c = config(**FREE, **often, sample__classes=(3, 7))
    check_config(c)
    assert train.run(c, tmp_path / "free") == 0
    images = np.load(tmp_path / "free" / "samples" / "2.npz")["images"]
    with Image.open(tmp_path / "free" / "samples" / "2.png") as picture:
        # A column for each class.
        want = grids.grid(encoding.to_uint8(images, 17), 2)[..., 0]
        np.testing.assert_array_equal(picture, want)
        assert picture.height > 2 * picture.width
    for changes in (by_sorter("somewhere"), WEAK):
        c = config(**changes, **often)
        check_config(c)
        with pytest.raises(ConfigError, match=r"sample.guidance = '\w+' asks") as error:
            train.run(c, tmp_path / "run")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**FREE, "model__class_conditional": False}, r"class_conditional = True"),
        ({**FREE, "model__label_dropout": 0.0}, r"config.model.label_dropout above 0"),
        ({"sample__guidance": "clasifier"}, r"Did you mean 'classifier'"),
        ({"sample__guidance": "classifier"}, r"needs config.sample.classifier.workdir"),
        (
            {"sample__guidance": "autoguidance"},
            r"needs config.sample.autoguidance.workdir, .* config.sample.autoguidance.step",
        ),
        (
            {"sample__classes": (3,), "model__class_conditional": False},
            r"config.sample.classes = \(3,\) are told to nobody",
        ),
        (
            {"sample__classes": (3.0,)},
            r"config.sample.classes = \(3.0,\): write a tuple",
        ),
        (
            {**FREE, "sample__classifier_free__scale": -1.0},
            r"config.sample.classifier_free.scale = -1.0: write",
        ),
        (
            {**FREE, "sample__classifier_free__scale": 1e4},
            r"config.sample.classifier_free.scale = 10000.0: write at most 1000",
        ),
        (
            {**WEAK, "sample__autoguidance__scale": float("nan")},
            r"config.sample.autoguidance.scale = nan: write",
        ),
        (
            {**by_sorter("x"), "sample__classifier__scale": float("inf")},
            r"config.sample.classifier.scale = inf: write",
        ),
        (
            {**FREE, "sample__classifier_free__rescale": 2.0},
            r"config.sample.classifier_free.rescale = 2.0: write a number in \[0, 1\]",
        ),
        (
            {**FREE, "sample__classifier_free__interval": (3.0, -2.0)},
            r"config.sample.classifier_free.interval = \(3.0, -2.0\): write",
        ),
        (
            {**WEAK, "sample__autoguidance__interval": (3.0,)},
            r"config.sample.autoguidance.interval = \(3.0,\): write two log SNRs",
        ),
        ({**WEAK, "sample__autoguidance__step": -2}, r"autoguidance.step = -2: write"),
        ({"model__label_dropout": 1.5}, r"config.model.label_dropout = 1.5: write"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(config(**changes))
    assert "\n" not in str(error.value)


def refused(t, message, **changes):
    """Told in one line, once the runs it names are looked at."""
    c = config(**changes)
    check_config(c)
    with pytest.raises(ConfigError, match=message) as error:
        sample_batches.Batches(c, t.mesh, t.model, guides.of(c, t))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("label", [10, -2])
def test_a_class_that_does_not_exist_is_refused(t, label):
    refused(
        t,
        rf"config.sample.classes = \(1, {label}\): there is no class {label}; .* 0 to 9",
        sample__classes=(1, label),
    )


@pytest.mark.parametrize("group", ["classifier", "autoguidance"])
def test_another_run_must_be_one_that_fits(t, sorter_run, tmp_path, group):
    """A missing one, other data, and other times of a network that is told t."""
    field = rf"config.sample.{group}.workdir = "

    def asked(path):
        return {"sample__guidance": group, f"sample__{group}__workdir": str(path)}

    refused(
        t, rf"{field}'.*nowhere' holds no config.json", **asked(tmp_path / "nowhere")
    )
    (tmp_path / "config.json").write_text("{")
    refused(t, rf"{field}.* is not a workdir of this program", **asked(tmp_path))
    fits = asked(sorter_run if group == "classifier" else t.path)
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
        refused(t, rf"{field}.* {message}", **{**fits, **changes})
    late = {f"sample__{group}__step": 99}
    refused(t, rf"{field}.* cannot be read: .*99", **fits, **late)


def test_a_denoiser_does_not_classify_nor_a_classifier_denoise(t, run, sorter_run):
    refused(
        t,
        r"config.sample.classifier.workdir = .* is of config.model.name = 'unet': write",
        **by_sorter(run),
    )
    refused(
        t,
        r"config.sample.autoguidance.workdir = .* draws no images",
        sample__guidance="autoguidance",
        sample__autoguidance__workdir=str(sorter_run),
    )


@pytest.mark.parametrize("kind", ["classifier", "autoguidance"])
def test_weights_that_a_guide_has_not_are_refused(t, sorter_run, kind):
    guide = {"classifier": by_sorter(sorter_run), "autoguidance": WEAK}[kind]
    refused(
        t,
        rf"config.sample.{kind}.* cannot be read: its weights 'best' are none of raw, ema",
        **{**guide, f"sample__{kind}__weights": "best"},
    )


def test_a_guide_of_a_version_to_come_is_refused(t, sorter_run, tmp_path):
    config_file = json.loads((sorter_run / "config.json").read_text())
    config_file["model"]["to_come"] = 1
    (tmp_path / "config.json").write_text(json.dumps(config_file))
    refused(
        t,
        r"config.sample.classifier.workdir = .*config.model.to_come is no field",
        **by_sorter(tmp_path),
    )


def test_a_classifier_of_other_classes_is_refused(t, sorter_run, monkeypatch):
    monkeypatch.setattr(builtin.Digits, "num_classes", 9)
    refused(
        t,
        r"config.sample.classifier.workdir = .* cannot be read: .*10.*9",
        **by_sorter(sorter_run),
    )


def test_a_network_told_log_snr_is_asked_about_any_schedule(t, tmp_path):
    told = {"model__time_input": "log_snr"}
    assert train.run(tiny.sorting(**told, training__num_steps=1), tmp_path) == 0
    found = drawn(t, **by_sorter(tmp_path), schedule__name="cosine", **told)
    assert found.shape == (8, 8, 8, 1)


# All choices of four kinds, with what the config says of each.
CHOICES = {
    "guidance": {
        "none": {},
        "classifier_free": FREE,
        "classifier": by_sorter("of_a_test", 2.0),
        "autoguidance": WEAK,
    },
    "sampler": {
        name: {"sample__sampler": name}
        for name in (
            "ancestral",
            "ddim",
            "dpm_solver",
            "unipc",
            "euler",
            "heun",
            "predictor_corrector",
            "ode",
        )
    },
    "prediction": {
        name: {"prediction": name} for name in ("eps", "x", "v", "score", "mean")
    },
    "schedule": {
        "chain": {"reverse_variance": "learned"},
        "continuous": {"schedule__num_steps": 0, "decoder__mean": "z_0"},
        "learned": {
            "schedule__num_steps": 0,
            "decoder__mean": "z_0",
            "schedule__name": "learned_monotone",
            "schedule__learned_monotone__interior": "line",
        },
    },
}
EVERY = list(itertools.product(*CHOICES.values()))


def is_impossible(combination):
    _, sampler, prediction, schedule = combination
    return (sampler, prediction, schedule) == ("ode", "mean", "chain")


def pairs_of(combination):
    return set(itertools.combinations(enumerate(combination), 2))


def cover():
    """Combinations in which each pair of choices is somewhere: greedily the most new ones."""
    possible = [c for c in EVERY if not is_impossible(c)]
    missing, chosen = set().union(*map(pairs_of, possible)), []
    while missing:
        chosen.append(max(possible, key=lambda c: len(pairs_of(c) & missing)))
        missing -= pairs_of(chosen[-1])
    return chosen


def test_every_choice_there_is_is_in_the_table():
    sampled = tiny.config().sample
    for kind, table in (
        ("guidance", guides.GUIDES),
        ("sampler", SAMPLERS),
        ("prediction", PREDICTIONS),
    ):
        assert CHOICES[kind].keys() == table.keys()
    assert sampled.guidance == "none"


def combined(combination):
    changes = {
        "model__time_input": "log_snr",
        "sample__num_steps": 3,
        "sample__batch_size": 2,
        "sample__ode__rtol": 0.1,
        "sample__ode__atol": 0.1,
    }
    for kind, choice in zip(CHOICES.values(), combination, strict=True):
        changes |= kind[choice]
    return config(**changes)


@pytest.fixture(scope="module")
def asked(small_network):
    """Instead of runs on disk, models by config; one of each schedule and prediction."""
    mesh = tiny.one_device()
    source = build.source(tiny.config(), "test")
    made, nowhere = {}, epath.Path("of_a_test")

    def weak(field, path, c, **options):
        restored = built(c)
        params = jax.tree.map(lambda a: 0.9 * a, restored.params)
        return dataclasses.replace(restored, params=params)

    others = OtherRuns(weak, lambda *_, **options: built(tiny.sorting()))

    def built(c):
        key = (c.model.name, c.prediction, c.schedule.num_steps, c.schedule.name)
        if key not in made:
            model = build.backbone(c, source)
            shapes = jax.eval_shape(model.init, jax.random.key(0))
            zeros = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), shapes)
            params = jax.device_get(tiny.away_from_start(zeros))
            made[key] = Restored(nowhere, mesh, source, model, 0, params, c, others)
        return made[key]

    return built


def batches_of(asked, combination):
    c = combined(combination)
    check_config(c)
    t = asked(c)
    return sample_batches.Batches(c, t.mesh, t.model, guides.of(c, t)), t


@pytest.mark.parametrize("combination", cover(), ids="-".join)
def test_pairs_of_choices_draw_images_by_one_program(asked, combination):
    batches, t = batches_of(asked, combination)
    for first in (0, 2):
        found = batches.draw(t.params, first)
        assert found.pixels.shape == (2, 8, 8, 1)
        assert found.pixels.max() <= 16
        # Numbers that are not finite would make an image all 0.
        assert all(len(np.unique(image)) > 1 for image in found.pixels)
    assert batches._compiled._cache_size() == 1


def test_every_guide_goes_with_every_prediction_and_schedule(asked):
    """All combinations, up to what a sampler is given."""
    z_t, t = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32), jnp.full((2,), 0.5)
    others = [CHOICES[kind] for kind in ("guidance", "prediction", "schedule")]
    for guidance, prediction, schedule in itertools.product(*others):
        c = combined((guidance, "ddim", prediction, schedule))
        check_config(c)
        own = asked(c)
        guide = guides.of(c, own)

        def denoise(z_t, own=own, guide=guide):
            labels = jnp.array([3, -1])
            return guide.bind(own.params, guide.params, labels).denoise(z_t, t)

        found = jax.eval_shape(denoise, z_t)
        assert found.x.shape == found.eps.shape == (2, 8, 8, 1)
        assert found.x.dtype == found.eps.dtype == jnp.float32


def test_what_is_impossible_is_refused_whatever_guides():
    impossible = [c for c in EVERY if is_impossible(c)]
    assert len(impossible) == len(CHOICES["guidance"])
    for combination in impossible:
        with pytest.raises(ConfigError, match="'ode' needs a model between") as error:
            check_config(combined(combination))
        assert "\n" not in str(error.value)
