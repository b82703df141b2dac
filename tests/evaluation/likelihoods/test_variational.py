"""The bound's estimators: of which times, with which noise, and what they say that they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.diffusion.likelihood import elbo, strata
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.evaluation.likelihoods import variational
from ddpm_jax.evaluation.likelihoods.estimator import Batch, Setting
from tests.diffusion import closed_form

T, NUM = 10, 5
DECODER = Categorical(3)
MODEL = closed_form.gaussian_data(closed_form.Chain.of(T), "eps")
SETTING = Setting(num_draws=8, num_pilot_examples=0, num_steps=T, seed=4)


@pytest.fixture(scope="module")
def batch():
    pixels = jnp.asarray(np.random.default_rng(0).integers(0, 3, (NUM, 2, 2, 1)))
    numbers = jnp.arange(7, 7 + NUM)
    return Batch(pixels, jax.random.split(jax.random.key(1), NUM), numbers)


def stratified(setting=SETTING):
    choice = variational.STRATIFIED
    return choice.make(choice.options(), setting)


def full(setting=SETTING):
    choice = variational.FULL
    return choice.make(choice.options(), setting)


@pytest.fixture
def asked(monkeypatch):
    """What the functions of the bound are given, by their names."""
    found = {}

    def recording(name):
        def function(*args, **options):
            found[name] = args, options
            return Estimate(*len(Estimate._fields) * [None])

        return function

    for name in ("stratified", "full"):
        monkeypatch.setattr(elbo, name, recording(name))
    return found


def test_stratified_spreads_its_times_over_the_images_of_the_split(asked, batch):
    stratified().estimate(MODEL, DECODER, batch)
    args, options = asked.pop("stratified")
    assert args == (MODEL, DECODER, batch.pixels, batch.keys, T, 8)
    assert options.keys() == {"spread", "edges"} and options["edges"] is None
    spread = options["spread"]
    assert spread.number is batch.numbers
    assert spread.key == stream_key(4, Stream.EVAL_TIMES)

    edges = jnp.array([0.0, 0.2, 1.0])
    stratified(SETTING._replace(seed=5)).estimate(
        MODEL, DECODER, batch._replace(edges=edges)
    )
    _, options = asked.pop("stratified")
    assert options["edges"] is edges
    assert options["spread"].key == stream_key(5, Stream.EVAL_TIMES) != spread.key


def test_full_is_the_sum_over_the_chain(asked, batch):
    full().estimate(MODEL, DECODER, batch)
    of_chain = MODEL, DECODER, batch.pixels, batch.keys, T, 8
    assert asked == {"full": (of_chain, {})}


def test_what_they_are():
    for estimator, stream in ((stratified(), Stream.EVAL), (full(), Stream.EVAL_FULL)):
        assert estimator.num_draws == 8 and estimator.stream is stream
        assert estimator.pilot is None
        assert estimator.figure == (
            "upper bound on -log2 P(pixels) / dims of the reverse process: variational,"
            " estimated without bias"
        )
    told = stratified(SETTING._replace(outcome="pixels | class"))
    assert "-log2 P(pixels | class) / dims" in told.figure


@pytest.mark.parametrize("num_draws", [3, 6])
def test_stratified_refuses_draws_that_are_no_pairs_of_pairs(num_draws):
    message = rf"^config.eval.num_draws = {num_draws}: .*multiple of 4"
    with pytest.raises(ConfigError, match=message):
        stratified(SETTING._replace(num_draws=num_draws))


def test_a_pilot_has_four_borders_a_stratum(asked, batch):
    pilot = stratified(SETTING._replace(num_pilot_examples=6)).pilot
    num_draws = 4 * strata.PER_BIN * elbo.num_strata(8)
    pilot.estimate(MODEL, DECODER, batch)
    args, options = asked["stratified"]
    assert args == (MODEL, DECODER, batch.pixels, batch.keys, T, num_draws)
    assert options["edges"] is None and options["spread"].number is batch.numbers
    # A decoder that asks the network takes more of it.
    assert pilot.num_evaluations(DECODER) == num_draws
    asking = Categorical(3, mean_from="x_hat")
    asked_for = elbo.num_evaluations(num_draws, asking)
    assert pilot.num_evaluations(asking) == asked_for > num_draws


def test_a_pilot_makes_as_many_strata_as_are_drawn_in():
    pilot = stratified(SETTING._replace(num_pilot_examples=6)).pilot
    rng = np.random.default_rng(0)
    bins = np.repeat(np.arange(8), strata.PER_BIN)[:, None]
    t = (bins + rng.random((32, 50))) / 8
    per_time = np.exp(4 * t) * rng.standard_normal(t.shape)
    edges = pilot.edges(t, per_time)
    np.testing.assert_array_equal(edges, strata.edges(t, per_time, 2))
    assert len(edges) == 3 and edges[1] > 0.5
