import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from ddpm_jax import build, evaluate
from ddpm_jax.diffusion import elbo
from ddpm_jax.training import parallel
from ddpm_jax.training.randomness import Stream, example_keys, stream_key
from tests import tiny


@pytest.fixture(scope="module", autouse=True)
def small_network():
    with pytest.MonkeyPatch.context() as patch:
        tiny.use_small_network(patch)
        yield


# The decoder's draws are a quarter of the others, but at least 2.
EVALUATIONS = {"stratified": 4 + 2, "full": 10 * 4}


def evaluated(params=None, **changes):
    c = tiny.config(**changes)
    source = build.source(c, "test")
    model = build.model(c, source)
    if params is None:
        params = jax.jit(model.init)(jax.random.key(0))
    mesh = parallel.make_mesh(c.parallel.fsdp)
    return c, model, params, evaluate.make_evaluator(c, mesh, model, source)(params, 3)


def test_batch_size_does_not_change_a_figure():
    reports = [
        evaluated(eval__batch_size=size, eval__num_examples=100)[-1]
        for size in (8, 64, 512)
    ]
    for report in reports[1:]:
        for name, term in report["terms"].items():
            for figure, value in term.items():
                np.testing.assert_allclose(
                    value, reports[0]["terms"][name][figure], rtol=1e-6
                )
        assert report["num_examples"] == 100
        np.testing.assert_allclose(
            report["bits_per_dim"], reports[0]["bits_per_dim"], rtol=1e-6
        )


@pytest.mark.parametrize("estimator", ["stratified", "full"])
def test_the_report_is_the_estimators_mean_over_each_image_once(estimator):
    c, model, params, report = evaluated(
        eval__estimator=estimator, eval__num_draws=4, eval__num_examples=20
    )
    source = build.source(c, "test")
    images = jnp.stack([source[i]["image"] for i in range(20)])
    keys = example_keys(stream_key(c.seed, Stream.EVAL), np.arange(20))
    estimate = build.bound_estimator(c, model)(model.bind(params), images, keys)
    unit = 64 * math.log(2.0)
    total = np.asarray(estimate.terms.total, np.float64)
    np.testing.assert_allclose(report["bits_per_dim"], total.mean() / unit, rtol=1e-6)
    np.testing.assert_allclose(
        report["bits_per_dim_stderr_images"],
        total.std(ddof=1) / math.sqrt(20) / unit,
        rtol=1e-5,
    )
    variance = np.asarray(estimate.draw_variance.total, np.float64)
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
    full = evaluated(eval__estimator="full", eval__num_draws=8, **whole)[-1]
    assert few["num_examples"] == full["num_examples"] == 360
    error = math.hypot(few["bits_per_dim_stderr"], full["bits_per_dim_stderr"])
    assert abs(few["bits_per_dim"] - full["bits_per_dim"]) < 3 * error
    assert error < 0.05, "a wide error would agree with anything"


def test_the_error_over_draws_is_that_of_repeated_evaluations():
    c, model, params, _ = evaluated(eval__num_draws=4)
    source = build.source(c, "test")
    images = jnp.stack([source[i]["image"] for i in range(20)])
    estimator = build.bound_estimator(c, model)

    @jax.jit
    def estimate(key):
        found = estimator(model.bind(params), images, example_keys(key, jnp.arange(20)))
        return evaluate.columns(found.terms), evaluate.columns(found.draw_variance)

    reports = [
        evaluate.report(c, model, source, *estimate(stream_key(seed, Stream.EVAL)), 3)
        for seed in range(200)
    ]
    found = np.std([r["bits_per_dim"] for r in reports], ddof=1)
    said = np.sqrt(np.mean([r["bits_per_dim_stderr"] ** 2 for r in reports]))
    # A deviation of 200 repeats is off by 5%, and by five of these once in 1.7 million.
    assert 0.75 < found / said < 1.25


def test_one_draw_of_each_time_has_no_error_over_draws():
    report = evaluated(eval__estimator="full", eval__num_draws=1)[-1]
    assert report["bits_per_dim_stderr"] is None
    assert report["bits_per_dim_stderr_images"] > 0
    assert "unknown over draws" in evaluate.summary(report)
    json.loads(json.dumps(report))


def test_the_convention_names_all_that_a_figure_depends_on():
    c, _, _, report = evaluated(ema__extra_decays=(0.5,), eval__weights="ema:0.5")
    convention = report["convention"]
    assert convention["data"]["split"] == "test, the first 20"
    assert convention["weights"] == "ema:0.5"
    assert convention["x_hat"] == "clipped to [-1, 1]"
    assert convention["step"] == 3
    assert convention["num_latents"] == 10
    c.eval.clip, c.eval.weights = False, "ema"
    again = evaluate.convention(c, build.source(c, "test"), 4)
    assert again["x_hat"] == "not clipped"
    assert again["weights"] == "ema:0.9"


def test_clipping_is_another_model():
    clipped = evaluated(eval__clip=True)[-1]["bits_per_dim"]
    free = evaluated(eval__clip=False)[-1]["bits_per_dim"]
    assert abs(clipped - free) > 1e-3


def test_two_evaluations_are_the_same_to_the_last_bit(tmp_path):
    files = []
    for name in ("a", "b"):
        report = evaluated()[-1]
        files.append(
            evaluate.write(epath.Path(tmp_path / name), 3, report).read_bytes()
        )
    assert files[0] == files[1]
