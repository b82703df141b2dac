"""What config.eval may say, and what it is told where it may not."""

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.choice import Choice, Options
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import estimators
from ddpm_jax.evaluation.likelihoods.estimator import LikelihoodEstimator
from ddpm_jax.evaluation.table import ESTIMATORS
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
        (
            {"eval__num_draws": 3},
            r"^config.eval.num_draws = 3: .* pairs of pairs, write 2 or a multiple of 4",
        ),
        (
            {
                "eval__estimators": "full",
                "schedule__num_steps": 0,
                "schedule__name": "cosine",
                "decoder__mean": "z_0",
            },
            r"'full' sums over the transitions .*num_steps = 0. write 'stratified'",
        ),
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


SAMPLES = {
    "eval__estimators": "fid,kid,inception_score,precision_recall,density_coverage",
    "eval__quality__extractor": "classifier",
    "eval__quality__classifier": "a/workdir",
    "eval__quality__num_samples": 24,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"quality__num_samples": 1},
            r"eval.quality.num_samples = 1 is too few for 'fid': write 2",
        ),
        (
            {"quality__num_samples": 3, "estimators": "precision_recall"},
            r"num_samples = 3 is too few for 'precision_recall': write 4 or more",
        ),
        (
            {"quality__num_samples": 5, "estimators": "density_coverage"},
            r"num_samples = 5 is too few for 'density_coverage': write 6 or more",
        ),
        (
            {"quality__num_repeats": 0},
            r"config.eval.quality.num_repeats = 0: write 1 or more",
        ),
        (
            {"quality__classifier": ""},
            r"'classifier' needs config.eval.quality.classifier, the work",
        ),
        (
            {"quality__extractor": "inception"},
            r"needs config.eval.quality.inception, the file pt_",
        ),
        (
            {"quality__num_samples": 2**16, "quality__num_repeats": 2**16},
            r"num_repeats = 65536 of 65536 samples each: .* write at most 32767\.",
        ),
        ({"quality__extractor": "clasifier"}, r"Did you mean 'classifier'"),
        ({"quality__preparation": "tensorflw"}, r"Did you mean 'tensorflow'"),
        (
            {"quality__extractor": "values"},
            r"config.eval.quality.extractor = 'values' has no classes, which"
            r" 'inception_score' of config.eval.estimators needs: write one of"
            r" \['inception', 'classifier'\]\.$",
        ),
        ({"estimators": "fid,kdi"}, r"Did you mean 'kid'"),
        ({"estimators": "fid,accuracy"}, r"'accuracy' is not one of"),
        ({"estimators": "fid,fid"}, r"names one twice"),
    ],
)
def test_what_cannot_judge_samples_is_told_in_one_line(changes, message):
    own = {f"eval__{name}": value for name, value in changes.items()}
    check_config(tiny.config(**SAMPLES))
    with pytest.raises(ConfigError, match=message) as error:
        check_config(tiny.config(**(SAMPLES | own)))
    assert "\n" not in str(error.value)


def test_where_no_samples_are_judged_nobody_need_judge_them():
    check_config(tiny.config(eval__quality__num_samples=1))


def test_they_are_listed_by_what_they_measure_in_their_order():
    c = tiny.config(eval__estimators=" kid, ode ,stratified,fid")
    assert estimators.names(c, "likelihood") == ["ode", "stratified"]
    assert estimators.names(c, "of_samples") == ["kid", "fid"]
    assert estimators.names(c, "of_a_classifier") == []
    assert list(estimators.sample_metrics(c)) == ["kid", "fid"]
    ode, stratified = estimators.listed(c, "likelihood")
    assert (ode.name, stratified.name) == ("ode", "stratified")
    assert ode.choice is ESTIMATORS["ode"]


def test_options_are_the_configs():
    c = tiny.config(eval__ode__rtol=0.01, eval__ode__num_draws=3)
    options = estimators.chosen(c, "ode").options
    assert (options.rtol, options.num_draws, options.atol) == (0.01, 3, 1e-5)


@pytest.mark.parametrize(
    ("name", "clip", "is_clipped"),
    [("full", True, True), ("full", False, False), ("ode", True, False)],
)
def test_the_flow_is_never_clipped(name, clip, is_clipped):
    c = tiny.config(eval__clip=clip)
    assert estimators.is_clipped(c, estimators.chosen(c, name)) is is_clipped


def test_the_bounds_are_those_of_the_reverse_process():
    assert estimators.bounds() == {"stratified", "full"}


def test_what_estimators_share_is_the_configs(monkeypatch):
    """Each field of a `Setting`, by what an estimator is made of."""
    settings = []

    def make(_, setting):
        settings.append(setting)
        return LikelihoodEstimator(lambda *_: None, "a figure", 1)

    choice = Choice(Options, make, frozenset({"likelihood"}))
    monkeypatch.setitem(ESTIMATORS, "shared", choice)

    def setting(**changes):
        c = tiny.config(**changes)
        estimators.make_likelihood(c, estimators.chosen(c, "shared"))
        return settings.pop()

    changes = {
        "num_draws": ({"eval__num_draws": 8}, 8),
        "num_pilot_examples": ({"eval__pilot_examples": 5}, 5),
        "num_steps": ({"schedule__num_steps": 7}, 7),
        "seed": ({"seed": 3}, 3),
        "outcome": ({"model__class_conditional": True}, "pixels | class"),
    }
    first = setting()
    assert changes.keys() == set(first._fields) - {"is_continuous"}
    for name, (change, value) in changes.items():
        assert setting(**change) == first._replace(**{name: value}), name
    told = {"model__class_conditional": True, "eval__class_conditional": False}
    assert setting(**told) == first
    of_real_numbers = setting(decoder__name="gaussian")
    assert of_real_numbers == first._replace(is_continuous=True, outcome="x")
