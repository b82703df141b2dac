"""Points by every prediction, schedule and sampler: they train, are measured and drawn."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.evaluation import estimators
from ddpm_jax.evaluation.likelihoods.estimator import Batch
from ddpm_jax.models import build, objective
from ddpm_jax.models.table import SCHEDULES
from ddpm_jax.sampling import rollout
from tests import later, tiny

SHAPE = (4, 1, 1, 2)
# T = infinity, too, of what is no table of betas.
ALL_SCHEDULES = [
    (name, num_steps)
    for name, choice in SCHEDULES.items()
    for num_steps in (10, 0)
    if num_steps or not choice.has("table_of_T")
]
PAIRS = [(p, *schedule) for p in PREDICTIONS for schedule in ALL_SCHEDULES]
SOME = [
    (prediction, *schedule)
    for prediction, schedule in zip(
        itertools.cycle(PREDICTIONS), ALL_SCHEDULES, strict=False
    )
]
# Each sampler, with another prediction and schedule: the ODE's need a model between latents.
DRAWN = [
    (sampler, prediction, *schedule)
    for sampler, prediction, schedule in zip(
        SAMPLERS,
        itertools.cycle(["v", "x", "eps", "score"]),
        itertools.cycle(ALL_SCHEDULES),
        strict=False,
    )
]


def config(prediction, schedule, num_steps, **changes):
    c = tiny.points(
        prediction=prediction,
        schedule__name=schedule,
        schedule__num_steps=num_steps,
        decoder__mean="x_hat" if num_steps else "z_0",
        reverse_variance="learned" if num_steps else "posterior",
        model__time_input="log_snr",
        eval__estimators="stratified",
        sample__num_steps=5,
        **changes,
    )
    check_config(c)
    return c


def model_of(c):
    return build.model(c, build.source(c, "train"))


@pytest.mark.parametrize(
    "combination", later.all_but(PAIRS, set(PAIRS) - set(SOME)), ids=str
)
def test_points_have_a_loss_and_a_likelihood(combination):
    """Up to shapes: what is computed is that of images."""
    c = config(*combination)
    model = model_of(c)
    points, numbers = jax.ShapeDtypeStruct(SHAPE, jnp.float32), jnp.arange(4)
    keys = jax.random.split(jax.random.key(0), 4)
    goal = objective.make(c, model)
    measure = estimators.make_likelihood(c, estimators.chosen(c, "stratified")).estimate

    def all_of_it(points):
        params = model.init(jax.random.key(0))
        memory = goal.init(params)
        draws = goal.draw(memory, params, lambda stream: keys[0], numbers)
        losses = goal.losses(memory, params, {"image": points, "label": numbers}, draws)
        batch = Batch(points, keys, numbers)
        estimate = measure(model.bind(params), model.pixel_decoder, batch)
        return losses, estimate.terms.total

    losses, nats = jax.eval_shape(all_of_it, points)
    assert losses.weighted.shape == nats.shape == (4,)


def draw(sampler, prediction, schedule, num_steps):
    """Four points by an untrained network."""
    c = config(prediction, schedule, num_steps, sample__sampler=sampler)
    model = model_of(c)
    sampled = rollout.make(c, model)

    def run(keys):
        params = model.init(jax.random.key(0))
        return sampled(model.bind(params), keys, keys, None, jnp.arange(4))

    return run, jax.random.split(jax.random.key(1), 4)


@pytest.mark.parametrize("combination", DRAWN, ids=str)
def test_points_are_drawn_as_real_numbers(combination):
    run, keys = draw(*combination)
    found = jax.eval_shape(run, keys)
    assert found.pixels.shape == SHAPE and found.pixels.dtype == jnp.float32


@pytest.mark.long
@pytest.mark.parametrize("combination", DRAWN, ids=str)
def test_draws_are_finite_and_differ(combination):
    run, keys = draw(*combination)
    points = np.asarray(jax.jit(run)(keys).pixels)
    assert np.all(np.isfinite(points)) and len(np.unique(points)) == points.size
