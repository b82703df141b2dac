"""A learned schedule through the whole program: training, resuming, devices, errors."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax import train
from ddpm_jax.check import check_config
from ddpm_jax.core import sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import pipeline
from ddpm_jax.evaluation import likelihood
from ddpm_jax.models import build, objective
from ddpm_jax.models.timed_objective import Draws
from ddpm_jax.sampling import sample_batches, snapshots
from tests import tiny
from tests.kill_and_resume import differences, newest_state
from tests.test_train import signal_at

EVERY = {"training__eval_every": 3, "training__sample_every": 6}


pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 6 steps that nothing interrupted."""
    path = tmp_path_factory.mktemp("whole")
    assert train.run(tiny.variational(**EVERY), path) == 0
    return path


def test_a_run_draws_its_schedule_and_says_what_was_measured(whole):
    names = {p.name for p in (whole / "plots").iterdir()}
    # So few losses are not enough for a curve of them; see test_illustrate.
    assert names == {"3_schedule.png", "6_schedule.png"}
    report = json.loads((whole / "eval" / "6.json").read_text())
    assert report["convention"]["num_latents"] == "infinitely many"
    assert report["convention"]["schedule"] == "learned_monotone"
    assert report["num_network_evaluations"] == 2


def test_every_part_of_the_schedule_learns(whole):
    state = newest_state(whole)
    c = tiny.variational()
    model = build.model(c, build.source(c, "train"))
    first = model.init(jax.random.key(0))["schedule"]
    for path, start in jax.tree_util.tree_leaves_with_path(first):
        name = "['params']['schedule']" + jax.tree_util.keystr(path)
        assert np.any(state[name] != np.asarray(start)), name


@pytest.mark.long
@pytest.mark.parametrize("changes", [{}, {"loss__time_sampling": "importance"}])
def test_resumed_is_uninterrupted_to_the_bit(changes, whole, tmp_path, monkeypatch):
    reference = whole
    if changes:
        reference = tmp_path / "reference"
        assert train.run(tiny.variational(**EVERY, **changes), reference) == 0
    path = tmp_path / "stopped"
    signal_at(monkeypatch, 4, 15)
    assert train.run(tiny.variational(**EVERY, **changes), path) == 143
    monkeypatch.undo()
    tiny.use_small_network(monkeypatch)
    assert train.run(tiny.variational(**EVERY, **changes), path) == 0
    assert differences(path, reference) == []


def trained(mode="jit", fsdp=1, **changes):
    c = tiny.variational(
        parallel__mode=mode,
        parallel__fsdp=fsdp,
        schedule__learned_monotone__num_features=2048,
        data__rotate=True,
        data__augmentation_flag=True,
        model__unet__num_conditions=1,
        optimizer__learning_rate=2e-4,
        **changes,
    )
    check_config(c)
    source = build.source(c, "train")
    training = build.training(c, build.mesh(c), build.model(c, source))
    batches = pipeline.train_batches(
        source, seed=0, batch_size=16, rotate=True, flag=True
    )
    state = training.create()
    for n in range(8):
        state = training.step(state, training.put(batches[n]))
    return training.to_global(state)


@pytest.fixture(scope="module")
def together():
    return trained()


@pytest.mark.parametrize(
    "mode, fsdp", [("jit", 4), pytest.param("pmap", 1, marks=pytest.mark.long)]
)
def test_devices_in_other_arrangements_learn_the_same(mode, fsdp, together):
    ours = trained(mode, fsdp)
    if fsdp == 4:
        kernel = ours.params["schedule"]["interior"]["kernel_0"]
        assert not kernel.sharding.is_fully_replicated
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path((ours.params, ours.time_history)),
        jax.tree.leaves((together.params, together.time_history)),
        strict=True,
    ):
        # Within a thousandth of the 8 steps of 2e-4 that Adam takes.
        atol = 1.6e-6 + 1e-5 * np.abs(np.asarray(b)).max()
        np.testing.assert_allclose(
            a, b, rtol=1e-5, atol=atol, err_msg=jax.tree_util.keystr(path)
        )


def test_microbatches_learn_the_same(together):
    ours = trained(training__num_microbatches=2)
    for a, b in zip(
        jax.tree.leaves(ours.params), jax.tree.leaves(together.params), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def first_gradients(**changes):
    c = tiny.variational(**changes)
    model = build.model(c, build.source(c, "train"))
    params = model.init(jax.random.key(0))
    loss_fn = objective.loss(c, model)
    sampler = objective.time_sampler(c, model)
    u = (jnp.arange(16) + 0.5) / 16
    keys = jax.random.split(jax.random.key(1), 32)
    pixels = np.random.default_rng(0).integers(0, 17, (16, 8, 8, 1))
    times = sampler.draw(sampler.init(), model.log_snr(params), u)
    draws = Draws(times, keys[:16], keys[16:])
    batch = {"image": jnp.asarray(pixels, jnp.uint8)}

    def mean(params):
        return jnp.mean(loss_fn(params, batch, draws).total)

    return jax.jit(jax.value_and_grad(mean))(params)


@pytest.mark.parametrize(
    "prediction",
    [
        "eps",
        "v",
        *(pytest.param(p, marks=pytest.mark.long) for p in ("x", "score", "mean")),
    ],
)
def test_only_the_interior_has_another_gradient_for_the_variance(prediction):
    bound, of_bound = first_gradients(loss__interior="elbo", prediction=prediction)
    same, of_variance = first_gradients(prediction=prediction)
    np.testing.assert_allclose(same, bound, rtol=1e-6)
    for part in (("net",), ("schedule", "ends")):
        a, b = of_variance, of_bound
        for name in part:
            a, b = a[name], b[name]
        for ours, theirs in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            scale = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * scale)
    differs = [
        np.max(np.abs(a - b)) > 1e-4 * np.max(np.abs(b))
        for a, b in zip(
            jax.tree.leaves(of_variance["schedule"]["interior"]),
            jax.tree.leaves(of_bound["schedule"]["interior"]),
            strict=True,
        )
    ]
    assert all(differs)


@pytest.mark.parametrize(
    "interior, num_steps, sampler, spacing",
    [
        pytest.param("line", 0, "ancestral", "uniform", marks=pytest.mark.long),
        ("network", 0, "ddim", "log_snr"),
        pytest.param("polynomial", 0, "ddim", "quadratic", marks=pytest.mark.long),
        pytest.param("network", 10, "ancestral", "quadratic", marks=pytest.mark.long),
        ("polynomial", 10, "ddim", "uniform"),
    ],
)
def test_interiors_are_evaluated_and_sampled(interior, num_steps, sampler, spacing):
    c = tiny.variational(
        schedule__num_steps=num_steps,
        schedule__learned_monotone__interior=interior,
        sample__sampler=sampler,
        sample__spacing=spacing,
    )
    check_config(c)
    source = build.source(c, "test")
    model, mesh = build.model(c, source), build.mesh(c)
    params = model.init(jax.random.key(0))
    images = snapshots.first(c, sample_batches.Batches(c, mesh, model), params)
    assert images.shape == (9, 8, 8, 1)
    evaluator = likelihood.make_evaluator(c, mesh, model, source)
    report = evaluator.report(evaluator.rows(params), 0)
    assert np.isfinite(report["bits_per_dim"])


@pytest.mark.parametrize(
    "decoder, mean, variance",
    [
        ("categorical", "x_hat", "learned"),
        pytest.param("categorical", "z_0", "posterior", marks=pytest.mark.long),
        ("discretized_gaussian", "x_hat", "forward"),
        pytest.param("discretized_gaussian", "z_0", "learned", marks=pytest.mark.long),
    ],
)
def test_a_chain_learns_its_schedule_with_any_decoder(decoder, mean, variance):
    c = tiny.variational(
        schedule__num_steps=10,
        decoder__name=decoder,
        decoder__mean=mean,
        reverse_variance=variance,
        model__time_input="t",
        loss__time_sampling="importance",
    )
    check_config(c)
    source = build.source(c, "train")
    training = build.training(c, build.mesh(c), build.model(c, source))
    state = training.create()
    before = jax.tree.map(np.asarray, state.params["schedule"])
    batch = pipeline.train_batches(source, seed=0, batch_size=16)[0]
    state = training.step(state, training.put(batch))
    assert np.isfinite(state.window.loss)
    for a, b in zip(
        jax.tree.leaves(before), jax.tree.leaves(state.params["schedule"]), strict=True
    ):
        assert np.any(a != b)


@pytest.mark.parametrize("weighting", ["v", "sigmoid"])
@pytest.mark.parametrize("sampling", ["uniform", "importance"])
def test_fixed_schedules_train_by_any_weighting_in_continuous_time(weighting, sampling):
    c = tiny.variational(
        schedule__name="cosine", loss__weighting=weighting, loss__time_sampling=sampling
    )
    check_config(c)
    source = build.source(c, "train")
    training = build.training(c, build.mesh(c), build.model(c, source))
    batch = pipeline.train_batches(source, seed=0, batch_size=16)[0]
    state = training.step(training.create(), training.put(batch))
    assert np.isfinite(state.window.loss) and state.skipped == 0
    assert "schedule" not in state.params


def test_the_step_costs_no_second_backward_pass():
    def flops(**changes):
        c = tiny.variational(**changes)
        source = build.source(c, "train")
        training = build.training(c, sharding.make_mesh(1), build.model(c, source))
        batch = pipeline.train_batches(source, seed=0, batch_size=16)[0]
        lowered = training.step.lower(training.create(), training.put(batch))
        return lowered.compile().cost_analysis()["flops"]

    ratio = flops() / flops(loss__interior="elbo")
    assert ratio < 1.05, ratio


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"schedule__learned_monotone__log_snr_min": 1.0},
            r"log_snr_min = 1.0 is not between .*min_bounds = \(-15.0, 0.0\)",
        ),
        (
            {
                "schedule__learned_monotone__learn_ends": False,
                "schedule__learned_monotone__log_snr_min": 8.0,
            },
            r"log_snr_min = 8.0 must be below .*log_snr_max = 8.0",
        ),
        (
            {
                "schedule__learned_monotone__learn_ends": False,
                "schedule__learned_monotone__log_snr_min": -1000.0,
            },
            r"log_snr_min = -1000.0: write a number between -40 and 40",
        ),
        (
            {"schedule__learned_monotone__max_bounds": (-1.0, 20.0)},
            r"the ends could cross",
        ),
        (
            {"schedule__learned_monotone__min_bounds": (-100.0, 0.0)},
            r"min_bounds = \(-100.0, 0.0\): write two numbers",
        ),
        ({"schedule__learned_monotone__interior": "netwrk"}, "mean 'network'"),
        ({"schedule__num_steps": 1}, "num_steps = 1: a chain needs 2 latents"),
        ({"loss__weighting": "simple"}, "says nothing of a schedule's worth"),
        ({"decoder__mean": "x_hat"}, "in continuous time .* write 'z_0'"),
        ({"decoder__name": "categoric"}, "mean 'categorical'"),
        ({"reverse_variance": "learned"}, "nothing to learn in continuous time"),
        ({"eval__estimators": "full"}, "write 'stratified'"),
        ({"model__time_input": "t"}, "time_input = 't' would let .* 'log_snr'"),
        (
            {"schedule__num_steps": 10, "sample__spacing": "log_snr"},
            "chooses latents by a fixed table",
        ),
        ({"schedule__name": "linear_beta"}, "is a table of T betas"),
        ({"model__log_snr_bounds": (3.0, -3.0)}, "two numbers, the lower first"),
        ({"model__log_snr_bounds": (-5.0, float("inf"))}, "between -40 and 40"),
        ({"model__unet__fourier_exponents": (200,)}, r"\(200,\): write whole numbers"),
        ({"optimizer__schedule_learning_rate": float("inf")}, "a number above 0"),
        ({"data__augmentation_flag": True}, "num_conditions = 1"),
        (
            {"data__augmentation_flag": True, "model__unet__num_conditions": 1},
            "has nothing to tell",
        ),
        ({"model__unet__num_conditions": 2}, "num_conditions = 2: write 0 or 1"),
    ],
)
def test_what_cannot_work_is_said(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_config(tiny.variational(**changes))


def test_images_that_are_not_square_do_not_turn():
    c = tiny.variational(data__rotate=True)
    source = build.source(c, "train")
    source.shape = (8, 6, 1)
    with pytest.raises(
        ConfigError, match=r"rotate = True would make 6x8 images of 8x6"
    ):
        build.model(c, source)
