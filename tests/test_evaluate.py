"""The door: from a checkpoint to all that a config lists, in files and on the terminal."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from ddpm_jax import evaluate, train
from ddpm_jax.commands import compare
from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import builtin
from ddpm_jax.data.table import SOURCES
from ddpm_jax.evaluation import estimators, likelihood
from ddpm_jax.runs import workdir
from ddpm_jax.training.nonfinite import NonFiniteError
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    assert train.run(tiny.config(), path) == 0
    return path


def test_a_run_is_evaluated_by_all_that_the_config_lists(run_folder, capsys):
    c = tiny.config(
        eval__estimators="stratified,ode", eval__ode__rtol=1e-2, eval__ode__atol=1e-2
    )
    evaluate.run(c, run_folder)
    found = json.loads((run_folder / "eval" / "6.json").read_text())
    assert found["estimator"] == "stratified" and list(found["also"]) == ["ode"]
    left = {p.name for p in (run_folder / "eval").iterdir()}
    assert left == {
        "6.json",
        "6_stratified.npz",
        "6_stratified_loss.png",
        "6_ode.npz",
    }
    said = capsys.readouterr().out
    assert "ode - stratified" in said and "upper bound on -log2 P(pixels)" in said
    events = [p for p in run_folder.iterdir() if "tfevents" in p.name]
    assert any(b"bits_per_dim_ode" in p.read_bytes() for p in events)


def test_an_image_that_is_not_finite_ends_with_its_name(run_folder, monkeypatch):
    honest = estimators.make_likelihood

    def lying(*args):
        own = honest(*args)

        def with_nan(diffusion, pixel_decoder, batch):
            found = own.estimate(diffusion, pixel_decoder, batch)
            bad = jnp.where(batch.numbers == 11, jnp.nan, found.terms.prior)
            return found._replace(terms=found.terms._replace(prior=bad))

        return own._replace(estimate=with_nan)

    monkeypatch.setattr(estimators, "make_likelihood", lying)
    both = tiny.config(
        eval__estimators="stratified,ode", eval__ode__rtol=0.1, eval__ode__atol=0.1
    )
    both.eval.ode.dequantization = "decoder"
    with pytest.raises(NonFiniteError, match="image 11 of split 'test, the first 20'"):
        evaluate.run(both, run_folder)
    found = json.loads((run_folder / "eval" / "6.json").read_text())
    assert found["bits_per_dim"] is None
    assert found["failed"]["not_finite"] == [11]
    assert found["gaps"]["ode - stratified"]["bits_per_dim"] is None


@pytest.fixture
def batches(monkeypatch):
    """Batches that are measured; the call that would be number `last` is killed."""
    seen, put = [], likelihood.sharding.put_masked

    def put_masked(mesh, batch):
        if len(seen) == put_masked.last:
            raise KeyboardInterrupt
        seen.append(batch["index"].tolist())
        return put(mesh, batch)

    put_masked.last = None
    monkeypatch.setattr(likelihood.sharding, "put_masked", put_masked)
    return seen, put_masked


def config_of_five_batches(**changes):
    return tiny.config(eval__batch_size=4, **changes)


@pytest.mark.long
def test_what_was_measured_before_a_kill_is_not_measured_again(
    run_folder, batches, monkeypatch
):
    seen, put_masked = batches
    c = config_of_five_batches()
    evaluate.run(c, run_folder)
    whole = (run_folder / "eval" / "6.json").read_bytes()
    assert len(seen) == 5

    def killed_after(num, config):
        seen.clear()
        put_masked.last = num
        with pytest.raises(KeyboardInterrupt):
            evaluate.run(config, run_folder)
        put_masked.last = None
        seen.clear()

    killed_after(3, c)
    evaluate.run(c, run_folder)
    assert [first for first, *_ in seen] == [12, 16]
    assert (run_folder / "eval" / "6.json").read_bytes() == whole
    assert not (run_folder / "eval" / "unfinished").exists()

    # Neither another config finds them, nor other weights.
    killed_after(3, c)
    evaluate.run(config_of_five_batches(eval__num_draws=4), run_folder)
    assert len(seen) == 5
    seen.clear()
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "digest", lambda params: {"net": 0})
        evaluate.run(c, run_folder)
    assert len(seen) == 5
    seen.clear()
    evaluate.run(c, run_folder)
    assert len(seen) == 2


def test_each_image_is_kept_and_the_curves_of_who_knows_one(run_folder):
    c = tiny.config(eval__estimators="full,stratified")
    evaluate.run(c, run_folder)
    report = json.loads((run_folder / "eval" / "6.json").read_text())
    for name, own in (("full", report), ("stratified", report["also"]["stratified"])):
        with np.load(run_folder / "eval" / f"6_{name}.npz") as images:
            unit = report["num_dims"] * np.log(2.0)
            bits = images["nats"].mean() / unit
            assert images["index"].tolist() == list(range(20))
        np.testing.assert_allclose(own["bits_per_dim"], bits, rtol=1e-9)
        assert (run_folder / "eval" / f"6_{name}_loss.png").exists()
    gap = report["gaps"]["stratified - full"]["bits_per_dim"]
    difference = report["also"]["stratified"]["bits_per_dim"] - report["bits_per_dim"]
    np.testing.assert_allclose(gap, difference, rtol=1e-9)


def test_tensorboard_has_the_bound_under_its_plain_name(run_folder, monkeypatch):
    told = []
    monkeypatch.setattr(
        evaluate.writers, "to_tensorboard", lambda *given: told.append(given)
    )
    c = tiny.config(
        eval__estimators="stratified,ode", eval__ode__rtol=0.1, eval__ode__atol=0.1
    )
    evaluate.run(c, run_folder)
    ((path, step, scalars, drawn),) = told
    report = json.loads((run_folder / "eval" / "6.json").read_text())
    assert (str(path), step) == (str(run_folder), 6)
    assert scalars["eval/bits_per_dim"] == report["bits_per_dim"]
    assert scalars["eval/bits_per_dim_ode"] == report["also"]["ode"]["bits_per_dim"]
    assert drawn.keys() == {"stratified_loss"}


@pytest.fixture
def other_digits(monkeypatch):
    """Data of the digits' shape under another name."""

    class Inverted(builtin.Digits):
        name = "inverted"

        def __getitem__(self, index):
            example = super().__getitem__(index)
            return {**example, "image": 16 - example["image"]}

    def make(options, argument, split, reading):
        digits = builtin.digits(split)
        return Inverted(digits._images, digits._labels, split)

    monkeypatch.setitem(SOURCES, "inverted", Choice(Options, make))


def test_other_data_and_another_split_are_measured_apart(
    run_folder, other_digits, capsys
):
    evaluate.run(tiny.config(), run_folder)
    own = {p.name: p.read_bytes() for p in (run_folder / "eval").glob("6*")}
    figures = [json.loads(own["6.json"])["bits_per_dim"]]
    for field, value, name in (
        ("data__eval_split", "train", "digits_train_*"),
        ("data__name", "inverted", "inverted_test_*"),
    ):
        evaluate.run(tiny.config(**{field: value}), run_folder)
        (place,) = (run_folder / "on").glob(name)
        assert {p.name for p in (place / "eval").iterdir()} == own.keys()
        found = json.loads((place / "eval" / "6.json").read_text())
        figures.append(found["bits_per_dim"])
        data = found["convention"]["data"]
        assert name.startswith(f"{data['name']}_{data['split'].partition(',')[0]}")
        assert f"in {place}/eval/6.json" in capsys.readouterr().out
    assert len(set(figures)) == 3
    for file, content in own.items():
        assert (run_folder / "eval" / file).read_bytes() == content
    # It is compared as a workdir is, by the same noise.
    results = compare.gather([run_folder, place])
    assert [result.bits_per_dim for result in results] == [figures[0], figures[2]]
    assert results[1].seed == 0


def test_data_that_the_model_cannot_take_is_refused(run_folder):
    with pytest.raises(ConfigError) as error:
        evaluate.run(tiny.config(data__name="photos"), run_folder)
    assert str(error.value) == (
        "config.data.name (now 'photos', then 'digits'): the model of"
        f" --workdir={run_folder} is of images of the shape (8, 8, 1), and these have"
        " (16, 16, 3)."
    )


def test_where_a_report_of_another_split_lies_it_stays(run_folder, tmp_path):
    """As after a run that went on with another split."""
    run = tmp_path / "run"
    shutil.copytree(run_folder, run, ignore=shutil.ignore_patterns("on"))
    evaluate.run(tiny.config(), run)
    before = (run / "eval" / "6.json").read_bytes()
    other = tiny.config(data__eval_split="train")
    (run / "config.json").write_text(json.dumps(other.to_dict()))
    evaluate.run(other, run)
    assert (run / "eval" / "6.json").read_bytes() == before
    assert len(list((run / "on").glob("digits_train_*/eval/6.json"))) == 1


def test_what_the_training_run_owns_is_the_runs_in_evaluation(run_folder):
    """Whatever a config file says of it by now."""
    evaluate.run(tiny.config(), run_folder)
    whole = (run_folder / "eval" / "6.json").read_bytes()
    given = tiny.config(
        seed=5, data__batch_size=7, ema__decay=0.5, optimizer__decay="cosine"
    )
    evaluate.run(given, run_folder)
    assert (run_folder / "eval" / "6.json").read_bytes() == whole
    with pytest.raises(
        ConfigError, match=r"config\.prediction \(now 'v', then 'eps'\)"
    ):
        evaluate.run(tiny.config(prediction="v"), run_folder)


def test_a_reference_can_be_made_ahead(tmp_path, capsys):
    judge = tmp_path / "judge"
    assert train.run(tiny.sorting(training__num_steps=1), judge) == 0
    file = tmp_path / "kept" / "digits.npz"
    settings = {
        "eval__batch_size": 512,
        "eval__quality__extractor": "classifier",
        "eval__quality__classifier": str(judge),
    }
    c = tiny.config(**settings, eval__quality__reference=str(file))
    evaluate.make_reference(c, tmp_path / "run")
    assert f"1437 images, 8 features each: {file}" in capsys.readouterr().out
    with np.load(file) as arrays:
        identity = json.loads(str(arrays["identity"]))
    assert identity["data"]["split"] == "train"
    # In the workdir, if nothing else is said.
    evaluate.make_reference(tiny.config(**settings), tmp_path / "run")
    own = tmp_path / "run" / "reference" / "classifier.npz"
    assert own.read_bytes() == file.read_bytes()
    with pytest.raises(ConfigError, match=r"needs config.eval.quality.classifier"):
        settings["eval__quality__classifier"] = ""
        evaluate.make_reference(tiny.config(**settings), tmp_path / "run")


def test_results_of_a_run_that_cannot_be_written_go_elsewhere_and_compare(
    run_folder, tmp_path, capsys
):
    whole = tiny.config()
    evaluate.run(whole, run_folder)
    before = {p: p.stat().st_mtime_ns for p in run_folder.rglob("*")}
    place = tmp_path / "elsewhere"
    c = tiny.config(eval__folder=str(place))
    evaluate.run(c, run_folder)
    assert {p: p.stat().st_mtime_ns for p in run_folder.rglob("*")} == before
    ours, theirs = place / "eval" / "6.json", run_folder / "eval" / "6.json"
    assert ours.read_bytes() == theirs.read_bytes()
    assert any("tfevents" in p.name for p in place.iterdir())
    capsys.readouterr()
    assert compare.main([str(run_folder), str(place)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert sum(" 7.2" in row for row in rows) == 2, rows
    # It is one run's: figures of two would be taken for one's.
    other = tmp_path / "other"
    other.mkdir()
    values = json.loads((run_folder / "config.json").read_text()) | {"seed": 1}
    (other / "config.json").write_text(json.dumps(values))
    with pytest.raises(
        ConfigError, match=r"config.eval.folder = .* another config: .*seed"
    ):
        workdir.place_of_evaluations(epath.Path(other), c)
    (tmp_path / "file").write_text("")
    other = tiny.config(eval__folder=str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"config.eval.folder = .*cannot be written"):
        evaluate.run(other, run_folder)
