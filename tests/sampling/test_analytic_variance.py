"""The analytic variance of a checkpoint: of what it is estimated, and when again."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from ddpm_jax import train
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import pipeline
from ddpm_jax.diffusion.samplers import analytic_variance as of_samplers
from ddpm_jax.models import build
from ddpm_jax.sampling import analytic_variance
from ddpm_jax.sampling.guide import Guide
from tests import tiny
from tests.test_sample import sampled

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_training_does_not_estimate_a_variance(tmp_path):
    c = tiny.config(sample__ancestral__variance="analytic", training__sample_every=2)
    with pytest.raises(ConfigError, match="'analytic' is estimated from a checkpoint"):
        train.run(c, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_the_analytic_variance_is_estimated_once_and_kept(plain_run, tmp_path):
    options = {"sample__ancestral__variance": "analytic"}
    first = sampled(plain_run, tmp_path / "a", **options)
    saved = plain_run / "variance" / "2.json"
    table = json.loads(saved.read_text())
    assert len(table["log_snr"]) == 10 and np.all(np.diff(table["log_snr"]) > 0.0)
    assert np.all(np.asarray(table["error"]) > 0.0)
    written = saved.stat().st_mtime_ns
    again = sampled(plain_run, tmp_path / "b", **options)
    assert saved.stat().st_mtime_ns == written
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, sampled(plain_run, tmp_path / "c"))
    # From other weights, examples or after damage it is estimated again.
    sampled(plain_run, tmp_path / "d", sample__weights="raw", **options)
    assert saved.stat().st_mtime_ns != written
    saved.write_text("{")
    np.testing.assert_array_equal(sampled(plain_run, tmp_path / "e", **options), first)
    assert json.loads(saved.read_text()) == table


ANALYTIC = {"sample.ancestral.variance": "analytic"}
# What the table depends on, beside the arrays and the data.
OF_THE_TABLE = {
    *("seed", "data.train_split", "sample.ancestral.num_examples"),
    *("sample.weights", "sample.threshold", "sample.guidance"),
}


NO_GUIDE = Guide(0, (), lambda *_: None)


@pytest.fixture
def estimated(plain, tmp_path, monkeypatch):
    """Whether a table is estimated (True) or read, of a config with these fields."""
    table = of_samplers.Table(np.arange(3.0), np.ones(3))
    calls = []
    monkeypatch.setattr(
        analytic_variance, "_estimate", lambda *given: calls.append(given) or table
    )

    def run(guide=None, restored=None, **fields):
        c = tiny.config()
        c.update_from_flattened_dict(ANALYTIC)
        c.update_from_flattened_dict(
            {name.replace("__", "."): value for name, value in fields.items()}
        )
        found = restored or plain
        found = dataclasses.replace(found, path=epath.Path(tmp_path))
        calls.clear()
        assert analytic_variance.of(c, found, guide or NO_GUIDE) is not None
        return bool(calls)

    return run


CHANGES = {
    "seed": 1,
    "sample.weights": "raw",
    "sample.threshold": "dynamic",
    "sample.guidance": "classifier_free",
    "sample.ancestral.num_examples": 100,
    "data.train_split": "test",
    "sample.num_steps": 7,
    "sample.num_samples": 3,
    "sample.batch_size": 24,
    "sample.spacing": "quadratic",
    "sample.end": "draw",
    "sample.classes": (3,),
    "sample.folder": "elsewhere",
    "sample.dynamic.quantile": 0.5,
    "sample.classifier_free.scale": 5.0,
    "eval.batch_size": 3,
    "training.num_steps": 9,
}


@pytest.mark.parametrize("field", CHANGES)
def test_it_is_estimated_again_where_what_it_depends_on_changed(field, estimated):
    assert estimated() and not estimated()
    assert estimated(**{field: CHANGES[field]}) == (field in OF_THE_TABLE)


@pytest.mark.parametrize(
    "chosen, option",
    [
        ({"sample.threshold": "dynamic"}, {"sample.dynamic.quantile": 0.5}),
        (
            {"sample.guidance": "classifier_free"},
            {"sample.classifier_free.scale": 5.0},
        ),
        (
            {"sample.guidance": "classifier_free"},
            {"sample.classifier_free.rescale": 0.5},
        ),
        (
            {"sample.guidance": "classifier_free"},
            {"sample.classifier_free.interval": (-1.0, 1.0)},
        ),
    ],
)
def test_it_is_estimated_again_for_other_options_of_what_is_chosen(
    chosen, option, estimated
):
    assert estimated(**chosen) and not estimated(**chosen)
    assert estimated(**chosen, **option)


def test_it_is_estimated_again_for_other_arrays(plain, estimated):
    def guide(value):
        return Guide(0, {"a": np.full(2, value, np.float32)}, lambda *_: None)

    assert estimated(guide(1.0)) and not estimated(guide(1.0))
    assert estimated(guide(2.0)) and not estimated(guide(2.0))
    params = jax.tree.map(lambda a: a + 1.0, plain.params)
    others = dataclasses.replace(plain, params=params)
    assert estimated(guide(2.0), others) and not estimated(guide(2.0), others)


@pytest.mark.parametrize("size", [8, 16])
def test_each_level_and_example_has_its_own_noise_and_each_example_counts_once(
    size, plain, monkeypatch
):
    """The table is a mean over the examples, here of their pixels and their noise."""

    def error(diffusion, x, t, keys):
        noise = jax.vmap(lambda key: jax.random.uniform(key))(keys)
        return noise + 100.0 * jnp.mean(x, axis=(1, 2, 3))

    monkeypatch.setattr(of_samplers, "error", error)
    c = tiny.config(sample__batch_size=size, seed=3)
    source = pipeline.evenly_spaced(build.source(c, "train"), 12)
    guide = Guide(0, (), lambda params, *_: plain.model.bind(params))
    table = analytic_variance._estimate(c, plain, guide, source)

    log_snr = plain.model.schedule.log_snr(jnp.linspace(1.0, 0.0, 10))
    np.testing.assert_allclose(table.log_snr, log_snr, rtol=1e-6)
    root = jax.random.fold_in(jax.random.key(3), 11)

    def noise(index, level):
        key = jax.random.fold_in(jax.random.fold_in(root, index), level)
        return float(jax.random.uniform(key))

    pixels = np.stack([source[i]["image"] for i in range(12)]) / 8.0 - 1.0
    wanted = [
        np.mean([noise(index, level) for index in range(12)]) for level in range(10)
    ]
    np.testing.assert_allclose(table.error - 100.0 * pixels.mean(), wanted, atol=2e-5)
    assert len(set(np.round(wanted, 6))) == 10


def test_it_is_estimated_again_for_other_images_not_for_another_place(plain, estimated):
    def again(**identity):
        known = {**plain.data.identity("train"), **identity}
        data = dataclasses.replace(plain.data, identities={"train": known})
        return estimated(restored=dataclasses.replace(plain, data=data))

    assert again(name="folder:/a")  # By a version that recorded no contents.
    assert not again(name="folder:/a", contents="1")
    assert again(name="folder:/b", contents="1")
    assert not again(name="folder:/c", contents="1")
    assert again(name="folder:/c", contents="2")


def test_what_is_stored_needs_no_data(plain, estimated, monkeypatch):
    assert estimated()

    def opened(_):
        raise ConfigError("there is no folder")

    gone = dataclasses.replace(
        plain, data=dataclasses.replace(plain.data, open_split=opened)
    )
    assert not estimated(restored=gone)
    with pytest.raises(ConfigError, match="there is no folder"):
        estimated(restored=gone, seed=1)
