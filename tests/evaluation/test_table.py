"""What holds of every choice in the table of estimators."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core import choice as choice_lib
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.evaluation.likelihoods.estimator import (
    Batch,
    LikelihoodEstimator,
    Setting,
)
from ddpm_jax.evaluation.results.evaluation import Measurement
from ddpm_jax.evaluation.sample_metrics.metric import SampleMetric
from ddpm_jax.evaluation.table import ESTIMATORS, KINDS
from ddpm_jax.models import build
from tests import later, tiny
from tests.diffusion import closed_form

pytestmark = pytest.mark.usefixtures("small_network", "one_device")
LIKELIHOODS = [n for n, c in ESTIMATORS.items() if c.has("likelihood")]
T = 10
SETTING = Setting(num_draws=4, num_pilot_examples=3, num_steps=T, seed=0)


def test_each_is_of_one_kind_and_makes_what_that_kind_is():
    c = tiny.sorting()
    source = build.source(c, "test")
    classifier = build.classifier_model(c, source)
    for name, choice in ESTIMATORS.items():
        (kind,) = choice.traits & KINDS
        stands_on, made = {
            "likelihood": ((SETTING,), LikelihoodEstimator),
            "of_samples": ((), SampleMetric),
            "of_a_classifier": (
                (c, tiny.one_device(), classifier, source),
                Measurement,
            ),
        }[kind]
        assert isinstance(choice.default(*stands_on), made), name


def wrong_values(limits):
    """Values that a field's limits refuse."""
    if limits.one_of is not None:
        yield "nonsense"
    if limits.at_least is not None:
        yield limits.at_least - 1
    if limits.at_most is not None:
        yield limits.at_most + 1


def test_every_wrong_option_is_told_in_one_line_with_its_full_name():
    tried = 0
    for name, choice in ESTIMATORS.items():
        for field in dataclasses.fields(choice.options):
            for value in wrong_values(field.metadata["limits"]):
                tried += 1
                c = tiny.config(**{f"eval__{name}__{field.name}": value})
                full = rf"^config\.eval\.{name}\.{field.name} = "
                with pytest.raises(ConfigError, match=full) as error:
                    check_config(c)
                assert "\n" not in str(error.value)
    assert tried == 9


def test_every_option_says_what_it_is():
    for name, choice in ESTIMATORS.items():
        for _, leaf in choice_lib.leaves(choice.options):
            assert leaf.meaning.endswith("."), name


def asked_times(name, num_steps=T):
    """Times, as latents of the chain, at which an estimator asks the model."""
    times = []
    model = closed_form.gaussian_data(closed_form.Chain.of(T), "eps")

    def denoise(z_t, t):
        jax.debug.callback(lambda t: times.extend(np.ravel(t)), t)
        return model.denoise(z_t, t)

    watched = dataclasses.replace(model, denoise=denoise)
    estimator = ESTIMATORS[name].default(SETTING._replace(num_steps=num_steps))
    batch = Batch(
        jnp.ones((2, 2, 2, 1), int),
        jax.random.split(jax.random.key(0), 2),
        jnp.arange(2),
    )
    found = jax.jit(lambda b: estimator.estimate(watched, Categorical(3), b))(batch)
    jax.block_until_ready(found)
    jax.effects_barrier()
    return np.array(times) * (T - 1)


@pytest.mark.parametrize("name", later.all_but(LIKELIHOODS, ("ode",)))
def test_who_asks_between_the_latents_of_a_chain_says_so(name):
    off = np.abs(asked_times(name) - np.rint(asked_times(name)))
    assert (off.max() > 1e-3) == ESTIMATORS[name].has("between_latents")


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_who_needs_a_chain_says_so(name):
    if ESTIMATORS[name].has("needs_a_chain"):
        with pytest.raises(ValueError, match="num_steps = 0"):
            asked_times(name, num_steps=0)
    else:
        assert asked_times(name, num_steps=0).size > 0


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_who_takes_a_pilot_pass_says_so(name):
    choice = ESTIMATORS[name]
    pilot = choice.default(SETTING).pilot
    assert (pilot is not None) == choice.has("takes_pilot")
    assert choice.default(SETTING._replace(num_pilot_examples=0)).pilot is None


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_who_is_the_bound_says_so(name):
    figure = ESTIMATORS[name].default(SETTING).figure
    assert ("of the reverse process" in figure) == ESTIMATORS[name].has("is_the_bound")
