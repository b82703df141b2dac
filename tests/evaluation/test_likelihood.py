"""Likelihood of a split by an estimator: each image once, by noise that is its own."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from jax.sharding import AxisType

from ddpm_jax.core import sharding
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.data import pipeline
from ddpm_jax.diffusion.conditioning import thresholds
from ddpm_jax.diffusion.likelihood import elbo
from ddpm_jax.evaluation import estimators, likelihood
from ddpm_jax.evaluation.likelihoods.estimator import (
    Batch,
    Setting,
    noise_key,
)
from ddpm_jax.evaluation.results import report as report_lib
from ddpm_jax.evaluation.results import rows as rows_lib
from ddpm_jax.evaluation.results import unfinished, wording
from ddpm_jax.models import build
from tests import config_walk, tiny

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


def images_of(source, num):
    return jnp.stack([source[i]["image"] for i in range(num)])


def mesh_of(num_devices):
    return jax.make_mesh(
        (num_devices, 1),
        sharding.BATCH_AXES,
        axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[:num_devices],
    )


@pytest.mark.parametrize(
    "estimator", ["stratified", pytest.param("ode", marks=pytest.mark.long)]
)
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
    images, numbers = images_of(build.source(c, "test"), 20), np.arange(20)
    own = estimators.make_likelihood(c, estimators.chosen(c, estimator))
    keys = example_keys(noise_key(c.seed, estimator, own), numbers)

    def run(params, pixels, keys):
        batch = Batch(pixels, keys, jnp.asarray(numbers))
        diffusion = thresholds.clipped(model.bind(params))
        return own.estimate(diffusion, model.pixel_decoder, batch)

    estimate = jax.jit(run)(params, images, keys)
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


@pytest.mark.long
def test_few_stratified_draws_agree_with_all_times_on_the_digits():
    whole = {"eval__num_examples": 0, "eval__batch_size": 360}
    few = evaluated(eval__num_draws=16, **whole)[-1]
    full = evaluated(eval__estimators="full", eval__num_draws=8, **whole)[-1]
    assert few["num_examples"] == full["num_examples"] == 360
    error = math.hypot(few["bits_per_dim_stderr"], full["bits_per_dim_stderr"])
    assert abs(few["bits_per_dim"] - full["bits_per_dim"]) < 3 * error
    assert error < 0.05, "a wide error would agree with anything"


@pytest.mark.long
@pytest.mark.parametrize("estimator", ["stratified", "ode"])
def test_intervals_cover_as_often_as_they_say(estimator):
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
    images, numbers = images_of(source, NUM), jnp.arange(NUM)
    choice, options = evaluator.chosen.choice, evaluator.chosen.options
    diffusion = model.bind(params)
    if estimators.is_clipped(c, evaluator.chosen):
        diffusion = thresholds.clipped(diffusion)

    def estimate(seed):
        # What spreads times over all images is drawn anew too.
        own = choice.make(options, Setting(4, 0, model.num_steps, seed))
        keys = example_keys(jax.random.fold_in(jax.random.key(5), seed), numbers)
        batch = Batch(images, keys, numbers)
        return own.estimate(diffusion, model.pixel_decoder, batch)

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


@pytest.mark.long
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


def test_the_pilot_has_images_all_over_the_split_and_noise_of_its_own():
    c, model, params, _ = evaluated(eval__num_draws=8, eval__num_examples=100)
    c.eval.pilot_examples = 7
    source = build.source(c, "test")
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
    seed, places = c.seed, [i * 100 // 7 for i in range(7)]
    images = jnp.stack([source[i]["image"] for i in places])
    keys = example_keys(stream_key(seed, Stream.PILOT), np.arange(7))
    pilot = evaluator.estimator.pilot

    def run(params, images, keys):
        diffusion = thresholds.clipped(model.bind(params))
        batch = Batch(images, keys, jnp.arange(7))
        return pilot.estimate(diffusion, model.pixel_decoder, batch).profile

    profile = jax.jit(run)(params, images, keys)
    # As in the evaluation, the 7 come in a batch of 16.
    (local,) = evaluator._batches(evaluator._pilot_source())
    batch, kept = sharding.put_masked(mesh_of(1), local)
    t, per_time = np.asarray(evaluator.pilot(params, batch))[..., kept]
    np.testing.assert_allclose(t, profile.t, atol=1e-6)
    np.testing.assert_allclose(per_time, profile.per_time, rtol=1e-4, atol=1e-4)
    of_these = pilot.edges(np.asarray(t, np.float64), np.asarray(per_time, np.float64))
    np.testing.assert_allclose(evaluator._edges(params), of_these, atol=1e-6)
    # The images that are measured have the times of its strata.
    estimator = evaluator.estimator
    uneven = pilot._replace(edges=lambda t, per_time: np.array([0.0, 0.25, 1.0]))
    rows = [
        dataclasses.replace(evaluator, estimator=estimator._replace(pilot=own)).rows(
            params
        )
        for own in (uneven, None)
    ]
    assert np.any(rows[0]["nats.diffusion"] != rows[1]["nats.diffusion"])


def test_rows_depend_on_every_field_of_the_config_the_images_and_the_weights():
    c, model, _, _ = evaluated()
    source = build.source(c, "test")
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source)
    weights = {"net/kernel": 5}
    before = json.dumps(evaluator.settings(weights))
    for name, changed in config_walk.others(c):
        other = dataclasses.replace(evaluator, config=changed)
        assert json.dumps(other.settings(weights)) != before, name
    for part in source.identity:
        identity = {**source.identity, part: "other"}
        own = pipeline.Subset(source, range(3), "three")
        own.identity = identity
        other = dataclasses.replace(evaluator, source=own)
        assert json.dumps(other.settings(weights)) != before, part
    assert json.dumps(evaluator.settings({"net/kernel": 6})) != before
    assert json.dumps(evaluator.settings(weights)) == before


def test_an_estimator_may_be_asked_for_that_is_not_listed():
    c, model, _, _ = evaluated()
    source = build.source(c, "test")
    evaluator = likelihood.make_evaluator(c, mesh_of(1), model, source, "ode")
    assert evaluator.chosen.name == "ode"
    assert evaluator.headline == "eval/bits_per_dim_ode"
    listed = tiny.config(eval__estimators="fid, full,stratified")
    evaluator = likelihood.make_evaluator(listed, mesh_of(1), model, source)
    assert evaluator.chosen.name == "full"
    assert evaluator.headline == "eval/bits_per_dim"


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
    assert np.all(stderr > 0) and np.all(std > 0) and np.all(mean > 0)


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
    assert "eval/bits_per_dim" not in report_lib.scalars(
        reports["ode"], estimators.bounds()
    )
    none = {"converged": np.zeros(20, bool)}
    gaps = report_lib.gaps({"a": rows["ode"], "b": {**rows["ode"], **none}}, 64)
    assert set(gaps["b - a"].values()) == {None, 0}


def test_one_draw_of_each_time_has_no_error_over_draws():
    report = evaluated(eval__estimators="full", eval__num_draws=1)[-1]
    assert report["bits_per_dim_stderr"] is None
    assert report["bits_per_dim_stderr_images"] > 0
    assert "unknown over draws" in wording.summary(report)
    json.loads(json.dumps(report))


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


@pytest.mark.parametrize(
    "estimator",
    ["stratified", *(pytest.param(e, marks=pytest.mark.long) for e in ("full", "ode"))],
)
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


@pytest.mark.long
def test_bits_with_the_class_are_another_figure_by_another_convention():
    """And they are those of the model that is bound to the labels."""
    reports = {}
    for told in (True, False):
        c = tiny.config(
            model__class_conditional=True,
            eval__class_conditional=told,
            eval__clip=False,
        )
        source = build.source(c, "test")
        model = build.model(c, source)
        params = tiny.away_from_start(jax.jit(model.init)(jax.random.key(0)))
        evaluator = likelihood.make_evaluator(c, tiny.one_device(), model, source)
        reports[told] = evaluator.report(evaluator.rows(params), 3)
    with_class, without = reports[True], reports[False]
    assert abs(with_class["bits_per_dim"] - without["bits_per_dim"]) > 1e-3
    assert "pixels | class" in with_class["convention"]["figure"]
    assert "P(pixels)" in without["convention"]["figure"]
    assert with_class["convention"]["class"] == "told"
    assert without["convention"]["class"].startswith("not told")

    # Without its classes: the same network, whose class embedding is the row for none.
    plain = tiny.config(eval__clip=False)
    net = dict(params["net"])
    none = net.pop("class")["table"]["embedding"][-1]
    net["time"] = {**net["time"], "bias": net["time"]["bias"] + none}
    model = build.model(plain, source)
    evaluator = likelihood.make_evaluator(plain, tiny.one_device(), model, source)
    report = evaluator.report(evaluator.rows({"net": net}), 3)
    np.testing.assert_allclose(
        without["bits_per_dim"], report["bits_per_dim"], rtol=1e-5
    )
    assert "class" not in report["convention"]

    # With them, of sevens alone: the row for seven.
    c.eval.class_conditional, c.eval.num_examples = True, 0
    places = [i for i in range(len(source)) if source[i]["label"] == 7][:20]
    sevens = pipeline.Subset(source, places, "sevens")
    net["time"]["bias"] += params["net"]["class"]["table"]["embedding"][7] - none
    found = []
    for own, weights in ((c, params), (plain, {"net": net})):
        model = build.model(own, source)
        evaluator = likelihood.make_evaluator(own, tiny.one_device(), model, sevens)
        found.append(evaluator.report(evaluator.rows(weights), 3)["bits_per_dim"])
    np.testing.assert_allclose(*found, rtol=1e-5)


@pytest.mark.parametrize("num_examples", [0, 7])
def test_of_points_the_excess_over_their_density_is_paired_with_each(num_examples):
    c = tiny.points(data__name="points:two_peaks", eval__num_examples=num_examples)
    source = build.source(c, "test")
    model = build.model(c, source)
    params = jax.jit(model.init)(jax.random.key(0))
    evaluator = likelihood.make_evaluator(c, tiny.one_device(), model, source)
    rows = evaluator.rows(params)
    report = evaluator.report(rows, 3)
    num = num_examples or 24
    points = np.stack([source[i]["image"].ravel() for i in range(num)])
    log_density = source.log_density(points.astype(np.float64))
    part = report["density"]
    excess = (rows["nats.total"] + log_density).mean()
    np.testing.assert_allclose(part["excess_over_the_truth"]["nats"], excess)
    np.testing.assert_allclose(
        part["nats_per_point"]["nats"], math.log(2.0) * report["bits_per_dim"]
    )
    assert part["entropy_of_the_truth"]["nats"] == source.entropy
    figure = report["convention"]["figure"]
    assert "-log2 p(x) / dims, a density in the data's units" in figure
    assert "nats a point" in wording.summary(report)


def test_of_images_nothing_is_said_in_nats():
    assert "density" not in evaluated()[-1]
