"""An estimator and a metric of a user's own, in the table by a line each."""

import dataclasses
import json
import math

import numpy as np
import pytest

from ddpm_jax import evaluate
from ddpm_jax.check import check_config
from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.likelihood import elbo
from ddpm_jax.evaluation.likelihoods.estimator import LikelihoodEstimator
from ddpm_jax.evaluation.sample_metrics.metric import SampleMetric
from ddpm_jax.evaluation.table import ESTIMATORS
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@dataclasses.dataclass(frozen=True)
class Longer(Options):
    """Options of the bound by more draws than config.eval.num_draws says."""

    factor: int = option(2, "Draws for each of config.eval.num_draws.", at_least=1)
    offset: float = option(0.0, "Nats that are added.", finite=True)


def longer(options, setting):
    num_draws = options.factor * setting.num_draws
    if num_draws > 100:
        raise ValueError(f"factor = {options.factor}: these are {num_draws} draws.")

    def estimate(diffusion, pixel_decoder, batch):
        found = elbo.stratified(
            *(diffusion, pixel_decoder, batch.pixels, batch.keys),
            *(setting.num_steps, num_draws),
        )
        prior = found.terms.prior + options.offset
        return found._replace(terms=found.terms._replace(prior=prior))

    return LikelihoodEstimator(estimate, "the bound, by more draws", num_draws)


def spread(_):
    def measure(real, seen):
        return {"spread": float(np.std(seen.features))}

    return SampleMetric(measure, least_samples=3)


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    own = {
        "longer": Choice(Longer, longer, frozenset({"likelihood"})),
        "spread": Choice(Options, spread, frozenset({"of_samples"})),
    }
    for name, choice in own.items():
        monkeypatch.setitem(ESTIMATORS, name, choice)


def test_their_options_are_the_configs():
    c = tiny.config(eval__estimators="longer", eval__longer__factor=4)
    check_config(c)
    assert c.eval.longer.to_dict() == {"factor": 4, "offset": 0.0}
    for changes, message in (
        ({"longer__factor": 0}, r"^config.eval.longer.factor = 0: write 1 or more"),
        ({"longer__factor": 99}, r"^config.eval.longer.factor = 99: these are 198"),
        ({"estimators": "longr"}, r"'longr' is not one of .*Did you mean 'longer'"),
        ({"pilot_examples": 4}, r"is of use to the estimator 'stratified' alone"),
    ):
        own = {"estimators": "longer"} | changes
        wrong = tiny.config(**{f"eval__{name}": value for name, value in own.items()})
        with pytest.raises(ConfigError, match=message) as error:
            check_config(wrong)
        assert "\n" not in str(error.value)


def test_one_that_is_of_no_kind_is_refused(monkeypatch):
    monkeypatch.setitem(ESTIMATORS, "own", Choice(Options, spread))
    message = (
        r"'own' needs one of the traits likelihood, of_a_classifier, of_samples\.$"
    )
    with pytest.raises(ConfigError, match=message):
        check_config(tiny.config(eval__estimators="own"))


def test_an_estimator_stands_beside_those_that_are_here(run):
    c = tiny.config(eval__estimators="stratified,longer", eval__longer__offset=6400.0)
    check_config(c)
    evaluate.run(c, run)
    report = json.loads((run / "eval" / "2.json").read_text())
    own = report["also"]["longer"]
    assert own["num_draws"] == 4 and own["num_network_evaluations"] == 4 + 2
    assert own["convention"]["figure"] == "the bound, by more draws"
    assert own["convention"]["options"] == {"factor": 2, "offset": 6400.0}
    assert own["convention"]["x_hat"] == "clipped to [-1, 1]"
    gap = report["gaps"]["longer - stratified"]
    offset = 100.0 / math.log(2.0)
    assert abs(gap["bits_per_dim"] - offset) < 4.0 * gap["stderr"] < 10.0
    assert gap["bits_per_dim"] != pytest.approx(offset, abs=1e-6)
    with np.load(run / "eval" / "2_longer.npz") as images:
        assert images["index"].size == 20


def test_a_metric_stands_beside_those_that_are_here(run, judged, look):
    c = judged(eval__estimators="spread,fid", sample__batch_size=24)
    check_config(c)
    evaluate.run(c, run)
    report = json.loads((run / "eval" / "2_quality.json").read_text())
    assert report["figures"].keys() == {"spread", "fid"}
    assert report["figures"]["spread"]["mean"] > 0
    few = judged(eval__estimators="spread", eval__quality__num_samples=2)
    with pytest.raises(ConfigError, match=r"too few for 'spread': write 3 or more"):
        check_config(few)


def test_their_noise_is_no_one_elses(run, monkeypatch):
    """The same estimator under another name draws other numbers."""
    monkeypatch.setitem(ESTIMATORS, "again", ESTIMATORS["longer"])
    c = tiny.config(eval__estimators="longer,again")
    evaluate.run(c, run)
    gap = json.loads((run / "eval" / "2.json").read_text())["gaps"]["again - longer"]
    assert 0.0 < abs(gap["bits_per_dim"]) < 5.0 * gap["stderr"]
