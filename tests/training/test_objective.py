"""Objectives without times, without images and without diffusion, by the same step.

Each is followed by numpy in float64, so that nothing of the step is taken for granted.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ddpm_jax.core import sharding
from ddpm_jax.core.randomness import Stream, example_keys
from ddpm_jax.training import objective, parallel, state, step
from ddpm_jax.training.objective import Losses

DIM, BATCH, NUM_STEPS, RATE = 3, 16, 6, 0.05
TRUTH = np.array([1.0, -2.0, 0.5])


def batch(number):
    rng = np.random.default_rng([5, number])
    x = rng.normal(size=(BATCH, DIM)) + 4.0
    return {
        "x": x.astype(np.float32),
        "y": ((x - 4.0) @ TRUTH).astype(np.float32),
        "position": np.arange(BATCH, dtype=np.int32),
    }


class LeastSquares:
    """A line through noisy points, centred by the mean of all points of earlier steps.

    The memory is read where noise is drawn (its size) and in the loss, and written from rows
    of three numbers and from the parameters that the step began with.
    """

    def init(self, params):
        nothing = {"num": jnp.zeros(()), "total": jnp.zeros(DIM)}
        return {**nothing, "slope": jnp.copy(params["slope"])}

    def draw(self, memory, params, keys, position):
        each = example_keys(keys(Stream.NOISE), position)
        noise = jax.vmap(lambda key: jax.random.normal(key, (DIM,)))(each)
        return {"noise": noise / (1.0 + memory["num"])}

    def losses(self, memory, params, batch, draws):
        mean = memory["total"] / jnp.maximum(memory["num"], 1.0)
        x = batch["x"] + draws["noise"] - mean[None]
        error = x @ params["slope"] - batch["y"]
        return Losses(
            weighted=2.0 * jnp.square(error),
            unweighted=jnp.square(error),
            coordinate=jnp.zeros_like(error),
            remembered=batch["x"],
        )

    def update(self, memory, params, draws, losses):
        return {
            "num": memory["num"] + len(losses.remembered),
            "total": memory["total"] + jnp.sum(losses.remembered, axis=0),
            "slope": params["slope"],
        }


def noise_of(number):
    """What the step promises to draw, by its words: seed, stream, step, example."""
    root = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 2), number)
    keys = [jax.random.fold_in(root, i) for i in range(BATCH)]
    return np.array([jax.random.normal(key, (DIM,)) for key in keys], np.float64)


def by_hand():
    """Parameters, memory and the sums of losses after all steps."""
    slope, num, total = np.zeros(DIM), 0.0, np.zeros(DIM)
    weighted = unweighted = 0.0
    for n in range(NUM_STEPS):
        points = batch(n)
        seen, y = (points[name].astype(np.float64) for name in ("x", "y"))
        x = seen + noise_of(n) / (1.0 + num) - total / max(num, 1.0)
        error = x @ slope - y
        weighted += np.mean(2.0 * error**2)
        unweighted += np.sum(error**2)
        began = slope
        slope = slope - RATE * 4.0 * x.T @ error / BATCH
        num, total = num + BATCH, total + seen.sum(axis=0)
    return slope, {"num": num, "total": total, "slope": began}, weighted, unweighted


def make_step(of, optimizer, axis_name=None, num_microbatches=1):
    settings = step.StepSettings(
        seed=3,
        num_microbatches=num_microbatches,
        ema_decays={},
        ema_warmup=False,
        log_every=0,
    )
    return step.make_train_step(
        of, optimizer, optax.constant_schedule(RATE), settings, axis_name
    )


def first_state(of, params, optimizer):
    return state.create(params, optimizer, (), of.init(params))


@pytest.mark.parametrize("num_microbatches", [1, 2])
@pytest.mark.parametrize("mode", ["alone", "jit", "pmap"])
def test_least_squares_with_a_memory_goes_as_by_hand(mode, num_microbatches):
    of, optimizer = LeastSquares(), optax.sgd(RATE)
    assert isinstance(of, objective.Objective)

    def init():
        return first_state(of, {"slope": jnp.zeros(DIM)}, optimizer)

    axis = parallel.PMAP_AXIS if mode == "pmap" else None
    train_step = make_step(of, optimizer, axis, num_microbatches)
    if mode == "alone":
        train_step, now = jax.jit(train_step), init()
        for n in range(NUM_STEPS):
            now = train_step(now, batch(n))
    else:
        assert jax.device_count() == 8
        training = parallel.MODES[mode].default(sharding.make_mesh(1), init, train_step)
        now = training.create()
        for n in range(NUM_STEPS):
            now = training.step(now, training.put(batch(n)))
        now = training.to_global(now)

    slope, memory, weighted, unweighted = by_hand()
    np.testing.assert_allclose(now.params["slope"], slope, rtol=1e-5)
    assert now.time_history.keys() == memory.keys()
    for name, value in memory.items():
        np.testing.assert_allclose(now.time_history[name], value, rtol=1e-5)
    np.testing.assert_allclose(now.window.loss, weighted, rtol=1e-5)
    # Without a coordinate all losses are in the first quarter.
    np.testing.assert_allclose(
        now.window.quarter_loss, [unweighted, 0.0, 0.0, 0.0], rtol=1e-5
    )
    np.testing.assert_array_equal(
        now.window.quarter_count, [NUM_STEPS * BATCH, 0, 0, 0]
    )


def test_a_step_that_is_not_finite_is_not_remembered():
    of, optimizer = LeastSquares(), optax.sgd(RATE)
    train_step = jax.jit(make_step(of, optimizer))
    before = train_step(first_state(of, {"slope": jnp.zeros(DIM)}, optimizer), batch(0))
    bad = batch(1)
    bad["y"][3] = np.inf
    after = train_step(before, bad)
    assert after.skipped == 1
    for name, value in before.time_history.items():
        np.testing.assert_array_equal(after.time_history[name], value)


class Duel:
    """Two networks of one number each: a maker that shifts noise, a critic that weighs it.

    The critic's loss is critic * (made - real) + critic^2, the maker's the negative of
    critic * made; neither learns from the other's.
    """

    def init(self, params):
        return ()

    def draw(self, memory, params, keys, position):
        each = example_keys(keys(Stream.NOISE), position)
        return jax.vmap(jax.random.normal)(each)

    def losses(self, memory, params, batch, draws):
        still = jax.lax.stop_gradient(params)
        of_critic = params["critic"] * (draws + still["maker"] - batch["y"])
        of_critic += jnp.square(params["critic"])
        of_maker = -still["critic"] * (draws + params["maker"])
        found = of_critic + of_maker
        return Losses(found, found, jnp.zeros_like(found))

    def update(self, memory, params, draws, losses):
        return memory


def test_two_networks_learn_each_from_its_own_loss_by_its_own_rule():
    rules = {"maker": optax.sgd(0.1), "critic": optax.sgd(0.3)}
    optimizer = optax.partition(rules, {name: name for name in rules})
    params = {"maker": jnp.float32(0.7), "critic": jnp.float32(-0.4)}
    of = Duel()
    after = jax.jit(make_step(of, optimizer))(
        first_state(of, params, optimizer), batch(0)
    )

    root = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 2), 0)
    noise = [jax.random.normal(jax.random.fold_in(root, i)) for i in range(BATCH)]
    made = 0.7 + np.mean(noise)
    critic = -0.4 - 0.3 * (made - np.mean(batch(0)["y"]) - 0.8)
    np.testing.assert_allclose(after.params["critic"], critic, rtol=1e-5)
    np.testing.assert_allclose(after.params["maker"], 0.7 + 0.1 * -0.4, rtol=1e-6)
    assert after.time_history == ()
