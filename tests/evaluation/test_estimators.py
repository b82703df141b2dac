"""What config.eval may say, and what it is told where it may not."""

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import estimators
from tests import tiny


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eval__num_draws": 0}, r"eval.num_draws = 0: write 1 or more"),
        ({"eval__ode__num_importance": 0}, r"eval.ode.num_importance = 0"),
        ({"eval__ode__num_draws": -1}, r"eval.ode.num_draws = -1"),
        ({"eval__ode__num_probes": 0}, r"eval.ode.num_probes = 0"),
        ({"eval__ode__chunk": 0}, r"eval.ode.chunk = 0"),
        ({"eval__ode__max_steps": 0}, r"eval.ode.max_steps = 0"),
        ({"eval__ode__rtol": 0.0}, r"eval.ode.rtol = 0.0: write a number in \(0, 1\)"),
        ({"eval__ode__atol": -1e-5}, r"eval.ode.atol = -1e-05"),
        ({"eval__ode__rtol": float("nan")}, r"eval.ode.rtol = nan"),
        ({"eval__ode__solver": "eulr"}, r"eval.ode.solver = 'eulr'"),
        ({"eval__ode__divergence": "exakt"}, r"Did you mean 'exact'"),
        ({"eval__ode__probe": "gausian"}, r"Did you mean 'gaussian'"),
        ({"eval__ode__dequantization": "unifrm"}, r"Did you mean 'uniform'"),
        (
            {"eval__ode__num_probes": 3, "eval__ode__antithetic": True},
            r"eval.ode.num_probes = 3: antithetic .* even",
        ),
        ({"eval__estimators": ""}, r"eval.estimators = '' is not one of"),
        ({"eval__estimators": "full,od"}, r"'od' is not one of .*Did you mean 'ode'"),
        ({"eval__estimators": "ode, ode"}, r"names one twice"),
        (
            {"eval__estimators": "ode", "prediction": "mean"},
            r"'ode' needs a model between the latents .*config.prediction = 'mean'",
        ),
        (
            {"eval__estimators": "full", "eval__pilot_examples": 8},
            r"eval.pilot_examples = 8 is of use to the estimator 'stratified' alone",
        ),
        ({"eval__pilot_examples": -1}, r"eval.pilot_examples = -1"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(tiny.config(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"eval__estimators": "full", "eval__num_draws": 1},
        {"eval__estimators": "ode", "eval__num_draws": 3},
        {"eval__estimators": " stratified , ode"},
        {"eval__ode__num_probes": 4, "eval__ode__antithetic": True},
    ],
)
def test_what_works_passes(changes):
    check_config(tiny.config(**changes))


def test_the_mean_serves_the_flow_in_continuous_time():
    check_config(tiny.variational(prediction="mean", eval__estimators="ode"))


def test_estimators_are_named_in_their_order():
    c = tiny.config(eval__estimators=" ode ,stratified")
    assert estimators.names(c, "likelihood") == ["ode", "stratified"]


def test_a_figure_says_what_it_is():
    def words(name="ode", **changes):
        options = {f"eval__ode__{field}": value for field, value in changes.items()}
        c = tiny.config(**options)
        return estimators.make_likelihood(c, estimators.chosen(c, name)).figure

    assert "reverse process" in words("stratified") and "without bias" in words("full")
    one = words()
    assert "probability flow" in one and "estimated without bias" in one
    many = words(num_importance=5)
    assert "over 5 latents" in many and "neither unbiased nor strictly a bound" in many
    exact = words(num_importance=5, divergence="exact", dequantization="uniform")
    assert "without bias" in exact and "uniform dequantisation" in exact
