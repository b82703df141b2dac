import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from jax.sharding import AxisType

from ddpm_jax import evaluate, train
from ddpm_jax.core import sharding
from ddpm_jax.core.randomness import example_keys, stream_key
from ddpm_jax.diffusion.likelihood import elbo
from ddpm_jax.evaluation import convention, estimators, likelihood
from ddpm_jax.evaluation.results import report as report_lib
from ddpm_jax.evaluation.results import rows as rows_lib
from ddpm_jax.evaluation.results import unfinished, wording
from ddpm_jax.models import build
from ddpm_jax.training.nonfinite import NonFiniteError
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network")


# Images where an interval is tried 200 times.
NUM = 16
# The decoder's draws are a quarter of the others, but at least 2.
EVALUATIONS = {"stratified": 4 + 2, "full": 10 * 4}


def evaluated(params=None, num_devices=1, **changes):
    c = tiny.config(**changes)
    source = build.source(c, "test")
    model = build.model(c, source)
    if params is None:
        params = jax.jit(model.init)(jax.random.key(0))
    mesh = mesh_of(num_devices)
    evaluator = likelihood.make_evaluator(c, mesh, model, source)
    return c, model, params, evaluator.report(evaluator.rows(params), 3)


def mesh_of(num_devices):
    return jax.make_mesh(
        (num_devices, 1),
        sharding.BATCH_AXES,
        axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[:num_devices],
    )


@pytest.mark.parametrize("estimator", ["stratified", "ode"])
def test_batch_size_and_devices_do_not_change_a_figure(estimator):
    options = {
        "eval__num_examples": 100,
        "eval__estimators": estimator,
        "eval__clip": False,  # It bends the flow, which costs digits.
    }
    # A solver that takes a step more by one rounding moves terms, and hardly their sum.
    rtol = {"stratified": 1e-5, "ode": 1e-3}[estimator]
    reports = [
        evaluated(eval__batch_size=size, num_devices=devices, **options)[-1]
        for size, devices in ((7, 1), (32, 4), (100, 1))
    ]
    for report in reports[1:]:
        for name, term in report["terms"].items():
            for figure, value in term.items():
                expected = reports[0]["terms"][name][figure]
                if expected is None:
                    assert value is None
                else:
                    np.testing.assert_allclose(value, expected, rtol=rtol, atol=1e-7)
        assert report["num_examples"] == 100
        np.testing.assert_allclose(
            report["bits_per_dim"], reports[0]["bits_per_dim"], rtol=1e-6
        )


@pytest.mark.parametrize("estimator", ["stratified", "full"])
def test_the_report_is_the_estimators_mean_over_each_image_once(estimator):
    c, model, params, report = evaluated(
        eval__estimators=estimator, eval__num_draws=4, eval__num_examples=20
    )
    source = build.source(c, "test")
    images = jnp.stack([source[i]["image"] for i in range(20)])
    keys = example_keys(
        stream_key(c.seed, estimators.STREAMS[estimator]), np.arange(20)
    )
    run = estimators.make(c, model, estimator)
    estimate = jax.jit(
        lambda params, *given: run(model.bind(params), *given, jnp.arange(20), None)
    )(params, images, keys)
    unit = 64 * math.log(2.0)
    total = np.asarray(estimate.terms.total, np.float64)
    np.testing.assert_allclose(report["bits_per_dim"], total.mean() / unit, rtol=1e-6)
    np.testing.assert_allclose(
        report["bits_per_dim_stderr_images"],
        total.std(ddof=1) / math.sqrt(20) / unit,
        rtol=1e-5,
    )
    variance = np.asarray(estimate.total_variance, np.float64)
    np.testing.assert_allclose(
        report["bits_per_dim_stderr"], math.sqrt(variance.sum()) / 20 / unit, rtol=1e-5
    )
    terms = {name: t["bits_per_dim"] for name, t in report["terms"].items()}
    assert terms.keys() == set(elbo.Terms._fields)
    np.testing.assert_allclose(sum(terms.values()), report["bits_per_dim"], rtol=1e-6)
    assert report["num_network_evaluations"] == EVALUATIONS[estimator]


def test_few_stratified_draws_agree_with_all_times_on_the_digits():
    whole = {"eval__num_examples": 0, "eval__batch_size": 360}
    few = evaluated(eval__num_draws=16, **whole)[-1]
    full = evaluated(eval__estimators="full", eval__num_draws=8, **whole)[-1]
    assert few["num_examples"] == full["num_examples"] == 360
    error = math.hypot(few["bits_per_dim_stderr"], full["bits_per_dim_stderr"])
    assert abs(few["bits_per_dim"] - full["bits_per_dim"]) < 3 * error
    assert error < 0.05, "a wide error would agree with anything"


@pytest.mark.parametrize("estimator", ["stratified", "ode"])
def test_intervals_cover_as_often_as_they_say(estimator, monkeypatch):
    """Of 200 repeats, with other noise each, 95% intervals hold the mean of all.

    How many of 200 do is 190, give or take 3.1; 180 and 198 are the bounds that must hold.
    """
    c, model, params, _ = evaluated(
        eval__estimators=estimator,
        eval__num_draws=4,
        eval__ode__num_draws=2,
        eval__ode__rtol=0.1,
        eval__ode__atol=0.1,
        eval__num_examples=NUM,
    )
    source = build.source(c, "test")
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
    images = jnp.stack([source[i]["image"] for i in range(NUM)])
    numbers = jnp.arange(NUM)

    def estimate(seed):
        # What spreads times over all images is drawn anew too.
        root = jax.random.fold_in(jax.random.key(6), seed)
        monkeypatch.setattr(estimators, "stream_key", lambda *_: root)
        run = estimators.make(c, model, estimator)
        keys = example_keys(jax.random.fold_in(jax.random.key(5), seed), numbers)
        return run(model.bind(params), images, keys, numbers, None)

    found = jax.jit(lambda seeds: jax.lax.map(estimate, seeds))(jnp.arange(200))
    ends, kept = np.array([6.0, -6.0]), np.ones(NUM, bool)
    reports = []
    for seed in range(200):
        one = jax.tree.map(lambda a, seed=seed: np.asarray(a[seed]), found)
        rows = rows_lib.of_batch(one, ends, np.arange(NUM), kept)
        reports.append(evaluator.report(rows, 3))
    means = np.array([r["bits_per_dim"] for r in reports])
    stderrs = np.array([r["bits_per_dim_stderr"] for r in reports])
    # The mean of 200 has an error of its own, a fourteenth of each.
    covered = np.sum(np.abs(means - means.mean()) < 1.96 * stderrs)
    assert 180 <= covered <= 198


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path):
    c, model, params, whole = evaluated(eval__batch_size=8)
    source = build.source(c, "test")
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
    path, calls = epath.Path(tmp_path), []

    def dying(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluator.estimate(*args)

    def store():
        return unfinished.Store(path, 3, "stratified", c.to_json())

    with pytest.raises(KeyboardInterrupt):
        dataclasses.replace(evaluator, estimate=dying).rows(params, store())
    assert len(calls) == 3
    (second,) = (path / "eval" / "unfinished" / "3").glob("*/1.npz")
    second.write_bytes(b"cut off")
    rows = dataclasses.replace(evaluator, estimate=dying).rows(params, store())
    assert len(calls) == 5, "two batches were on disk, of three, and one was damaged"
    assert evaluator.report(rows, 3) == whole
    # What depends on other settings is not found, and what is done is removed.
    c.eval.num_draws = 4
    assert store().read(3) == []
    c.eval.num_draws = 2
    store().forget()
    assert not (path / "eval" / "unfinished").exists()


def test_an_image_that_is_not_finite_is_named_and_not_averaged():
    c, model, params, _ = evaluated()
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, build.source(c, "test"))
    rows = evaluator.rows(params)
    rows["nats.total"][7] = np.nan
    report = evaluator.report(rows, 3)
    assert report["bits_per_dim"] is None
    assert report["failed"] == {"not_converged": [], "not_finite": [7]}
    assert "image 7 of split 'test, the first 20'" in wording.failure(report)
    assert "unknown bits per dim" in wording.summary(report)


def test_solves_that_do_not_converge_are_named_and_left_out():
    c, model, params, _ = evaluated()
    c.eval.update(estimators="ode", clip=False)
    c.eval.ode.update(rtol=1e-4, atol=1e-4)
    source = build.source(c, "test")

    def report_with(max_steps):
        c.eval.ode.max_steps = max_steps
        evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
        rows = evaluator.rows(params)
        return rows, evaluator.report(rows, 3)

    rows, whole = report_with(200)
    assert whole["failed"]["not_converged"] == []
    steps = (rows["evaluations"] - 1) / 6
    limit = int(np.median(steps))
    slow = np.flatnonzero(steps > limit)
    assert 0 < slow.size < 20
    _, some = report_with(limit)
    assert some["failed"]["not_converged"] == slow.tolist()
    assert some["num_examples"] == 20 - slow.size
    kept = np.delete(rows["nats.total"], slow).mean() / (64 * math.log(2))
    np.testing.assert_allclose(some["bits_per_dim"], kept, rtol=1e-6)
    assert "did not converge" in wording.table(some)
    assert f"{slow.size} more did not converge" in wording.summary(some)
    assert wording.failure(some) == ""
    _, none = report_with(1)
    assert none["bits_per_dim"] is None and none["num_examples"] == 0
    assert "no solve converged" in wording.failure(none)


def test_a_pilot_pass_moves_draws_and_not_the_figure():
    c, model, params, even = evaluated(eval__num_examples=200, eval__num_draws=16)
    c.eval.pilot_examples = 24
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, build.source(c, "test"))
    edges = evaluator._edges(params)
    assert edges.shape == (5,) and np.all(np.diff(edges) > 0)
    assert np.abs(edges - np.linspace(0, 1, 5)).max() > 0.02
    moved = evaluator.report(evaluator.rows(params), 3)
    # 64 of times, and a quarter as many of the decoder.
    assert moved["num_pilot_evaluations"] == 24 * 80
    error = math.hypot(even["bits_per_dim_stderr"], moved["bits_per_dim_stderr"])
    assert abs(even["bits_per_dim"] - moved["bits_per_dim"]) < 4 * error
    assert even["bits_per_dim"] != moved["bits_per_dim"]


def test_loss_by_log_snr_integrates_to_the_diffusion_term():
    c = tiny.variational(eval__num_examples=200, eval__num_draws=16)
    source = build.source(c, "test")
    model = build.model(c, source)
    params = jax.jit(model.init)(jax.random.key(0))
    rows = likelihood.make_evaluator(c, mesh_of(1), model, source).rows(params)
    log_snr, mean, stderr, std = rows_lib.loss_by_log_snr(rows, 64)
    np.testing.assert_allclose(
        mean.sum() * (log_snr[1] - log_snr[0]),
        rows["nats.diffusion"].mean() / (64 * math.log(2)),
        rtol=0.05,
    )
    assert np.all(stderr < std) and np.all(mean > 0)


def test_estimators_stand_side_by_side_with_their_differences():
    c, model, params, _ = evaluated()
    source = build.source(c, "test")
    c.eval.ode.update(rtol=1e-3, atol=1e-3, num_draws=2)
    c.eval.estimators = "stratified,ode"
    evaluators = [
        likelihood.make_evaluator(c, mesh_of(1), model, source, name)
        for name in estimators.names(c, "likelihood")
    ]
    rows = {e.chosen.name: e.rows(params) for e in evaluators}
    reports = {e.chosen.name: e.report(rows[e.chosen.name], 3) for e in evaluators}
    found = report_lib.merged(reports, report_lib.gaps(rows, 64))
    gap = found["gaps"]["ode - stratified"]
    difference = found["also"]["ode"]["bits_per_dim"] - found["bits_per_dim"]
    np.testing.assert_allclose(gap["bits_per_dim"], difference, rtol=1e-9)
    own = [r["bits_per_dim_stderr"] for r in report_lib.each(found)]
    np.testing.assert_allclose(gap["stderr"], math.hypot(*own), rtol=1e-6)
    table = wording.table(found)
    for text in ("ode - stratified", "truncated_normal", "divergence", "s.e. images"):
        assert text in table
    assert {"eval/bits_per_dim", "eval/bits_per_dim_ode"} <= report_lib.scalars(
        found, estimators.bounds()
    ).keys()
    # The flow's figure never stands on the bound's curve.
    assert "eval/bits_per_dim" not in report_lib.scalars(reports["ode"], estimators.bounds())
    none = {"converged": np.zeros(20, bool)}
    gaps = report_lib.gaps({"a": rows["ode"], "b": {**rows["ode"], **none}}, 64)
    assert set(gaps["b - a"].values()) == {None, 0}


def test_no_two_estimators_share_their_noise():
    assert len(set(estimators.STREAMS.values())) == len(estimators.STREAMS)
    assert estimators.STREAMS.keys() == estimators.ESTIMATORS.keys()


def test_one_draw_of_each_time_has_no_error_over_draws():
    report = evaluated(eval__estimators="full", eval__num_draws=1)[-1]
    assert report["bits_per_dim_stderr"] is None
    assert report["bits_per_dim_stderr_images"] > 0
    assert "unknown over draws" in wording.summary(report)
    json.loads(json.dumps(report))


def test_the_convention_names_all_that_a_figure_depends_on():
    c, _, _, report = evaluated(ema__extra_decays=(0.5,), eval__weights="ema:0.5")
    said = report["convention"]
    assert said["data"]["split"] == "test, the first 20"
    assert said["weights"] == "ema:0.5"
    assert said["x_hat"] == "clipped to [-1, 1]"
    assert said["step"] == 3
    assert said["num_latents"] == 10
    c.eval.clip, c.eval.weights = False, "ema"
    again = convention.of(c, "stratified", build.source(c, "test"), 4)
    assert again["x_hat"] == "not clipped"
    assert again["weights"] == "ema:0.9"


def test_clipping_is_another_model():
    clipped = evaluated(eval__clip=True)[-1]["bits_per_dim"]
    free = evaluated(eval__clip=False)[-1]["bits_per_dim"]
    assert abs(clipped - free) > 1e-3


def test_two_evaluations_are_the_same_to_the_last_bit(tmp_path):
    c, model, params, _ = evaluated()
    source = build.source(c, "test")
    written = []
    for name in ("a", "b"):
        evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
        rows = evaluator.rows(params)
        path = epath.Path(tmp_path / name)
        file = report_lib.write(
            path, 3, evaluator.report(rows, 3), {evaluator.chosen.name: rows}
        )
        images = file.with_name("3_stratified.npz")
        written.append((file.read_bytes(), images.read_bytes()))
    assert written[0] == written[1]
    with np.load(tmp_path / "a" / "eval" / "3_stratified.npz") as images:
        assert images["halves"].shape == (2, 20)
        np.testing.assert_allclose(images["halves"].mean(axis=0), images["nats"])


@pytest.mark.parametrize("estimator", ["stratified", "full", "ode"])
def test_an_estimator_is_compiled_once_and_holds_one_batch_of_states(estimator):
    """More draws take longer, and no more memory."""
    memory = []
    for num_draws in (2, 8):
        c, model, params, _ = evaluated()
        c.eval.update(estimators=estimator, num_draws=num_draws)
        c.eval.ode.update(num_draws=num_draws, rtol=1e-2, atol=1e-2)
        source = build.source(c, "test")
        evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
        if num_draws == 2:
            assert len(evaluator.rows(params)["index"]) == 20, (
                "a batch and a part of one"
            )
            assert evaluator.estimate._cache_size() == 1
        batch = sharding.put_batch(mesh_of(1), next(iter(evaluator._batches(source))))
        compiled = evaluator.estimate.lower(params, batch, None).compile()
        memory.append(compiled.memory_analysis().temp_size_in_bytes)
    # A draw's numbers are kept, a few for each of the 16 examples; its states are not.
    assert memory[1] - memory[0] < 16 * 4 * 64


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
    honest = estimators.make

    def lying(*args):
        estimate = honest(*args)

        def with_nan(diffusion, pixels, keys, number, edges):
            found = estimate(diffusion, pixels, keys, number, edges)
            bad = jnp.where(number == 11, jnp.nan, found.terms.prior)
            return found._replace(terms=found.terms._replace(prior=bad))

        return with_nan

    monkeypatch.setattr(estimators, "make", lying)
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
