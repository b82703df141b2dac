"""What a config trains on: which loss, which times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.objectives.time_sampling import Continuous, Grid, GridByLoss
from ddpm_jax.models import build, objective
from tests import tiny
from tests.models.test_build import simple_model_of
from tests.models.test_denoiser_objective import batch_of, draws_of

pytestmark = pytest.mark.usefixtures("small_network")
Z_0 = {"decoder__mean": "z_0"}
SIMPLE = {"loss__weighting": "simple"}
LEARNED = {"reverse_variance": "learned"}
BY_LOSS = {"loss__time_sampling": "importance"}


@pytest.mark.parametrize(
    "changes, kind, first",
    [
        ({}, Grid, 0),
        (Z_0, Grid, 1),
        (Z_0 | SIMPLE, Grid, 0),
        (Z_0 | SIMPLE | LEARNED, Grid, 1),
        (LEARNED | BY_LOSS, GridByLoss, 0),
        (Z_0 | BY_LOSS, GridByLoss, 1),
    ],
)
def test_a_chain_trains_at_its_first_latent_where_the_decoder_asks_the_network(
    changes, kind, first
):
    c, model = simple_model_of(**changes)
    assert objective.make(c, model).time_sampler == kind(num_steps=10, first=first)


def test_a_classifier_trains_at_every_latent():
    c = tiny.sorting(**Z_0)
    model = build.classifier_model(c, build.source(c, "train"))
    assert objective.make(c, model).time_sampler == Grid(num_steps=10, first=0)


@pytest.mark.parametrize("sampling", ["uniform", "stratified", "importance"])
@pytest.mark.parametrize(
    "schedule, low, high",
    [
        ({"schedule__name": "linear_log_snr"}, -6.0, 6.0),
        ({}, -15.0, 20.0),
        ({"schedule__learned_monotone__learn_ends": False}, -6.0, 8.0),
    ],
)
def test_continuous_times_lie_where_the_schedule_may_go(sampling, schedule, low, high):
    c = tiny.variational(loss__time_sampling=sampling, **schedule)
    made = objective.make(c, build.model(c, build.source(c, "train")))
    assert made.is_stratified == (sampling != "uniform")
    assert made.batch_size == 16
    assert made.time_sampler == Continuous(
        low=low,
        high=high,
        by_loss=sampling == "importance",
        is_stratified=sampling != "uniform",
    )


def test_options_of_a_weighting_reach_it():
    def mean(**changes):
        c, model = simple_model_of(loss__weighting="p2", **changes)
        made = objective.make(c, model)
        params = tiny.away_from_start(model.init(jax.random.key(0)))
        return made.losses((), params, batch_of(10), draws_of(10))

    found, other = mean(), mean(loss__p2__k=3.0)
    snr = np.exp(6.0 - 12.0 * np.arange(10) / 9.0)
    ratio = other.weighted / found.weighted
    np.testing.assert_allclose(ratio, (1.0 + snr) / (3.0 + snr), rtol=1e-4)
    assert jnp.all(found.weighted == found.unweighted)


def test_the_bound_in_bits_has_a_part_that_no_time_weighs():
    c, model = simple_model_of(**Z_0)
    params = tiny.away_from_start(model.init(jax.random.key(0)))
    draws = draws_of(10)
    heavy = draws._replace(times=draws.times._replace(weight=jnp.full(10, 3.0)))
    light, weighed = (
        objective.make(c, model).losses((), params, batch_of(10), d)
        for d in (draws, heavy)
    )
    timed = np.asarray(light.remembered)
    assert np.all(light.unweighted > timed)
    np.testing.assert_allclose(
        weighed.weighted - light.weighted, 2.0 * timed, rtol=1e-4, atol=1e-5
    )
