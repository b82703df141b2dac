"""Times, weights and histories, on their way through the training step."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.core.randomness import step_key
from ddpm_jax.diffusion.objectives import loss_history
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.objectives.time_sampling import Grid, Times
from ddpm_jax.diffusion.process import times
from ddpm_jax.models.timed_objective import Draws
from ddpm_jax.training import step
from ddpm_jax.training.objective import Losses, Objective
from tests.training import toy


def test_importance_weights_leave_the_expected_gradient_unchanged():
    # A loss that depends on t alone and on the parameters through a factor: its gradient
    # under importance sampling, averaged over many batches, is the uniform one.
    def loss(params, batch, draws):
        found = (1.0 + 30.0 * draws.times.t**4) * params["net"]["dense"]["bias"][0]
        return LossTerms(found, jnp.zeros_like(found))

    state = toy.init(loss_history.init_history(20, length=1))
    history = loss_history.record(
        state.time_history,
        jnp.arange(20),
        1.0 + 30.0 * times.grid_time(jnp.arange(20), 20) ** 4,
    )
    made = toy.objective(loss, time_sampler=toy.BY_LOSS)

    @jax.jit
    def gradient(n):
        at = dataclasses.replace(state, time_history=history, step=n)
        draws = toy.draws_at(at, time_sampler=toy.BY_LOSS)
        _, grads = step._losses_and_grads(made, history, state.params, {}, draws, 1)
        return grads["net"]["dense"]["bias"][0], jnp.max(draws.times.weight)

    found, largest = map(np.asarray, jax.vmap(gradient)(jnp.arange(2_000)))
    assert largest.max() > 2.0
    expected = np.mean(1.0 + 30.0 * (np.arange(20) / 19) ** 4)
    # Five standard errors: fails a correct program once in 1.7 million seeds.
    assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(found.size)


def test_every_step_stream_and_example_draws_its_own_numbers():
    state = toy.init()
    drawn = set()
    for n in range(3):
        draws = toy.draws_at(dataclasses.replace(state, step=jnp.int32(n)), num=4)
        for keys in (draws.noise_keys, draws.dropout_keys):
            drawn |= {int(b) for b in jax.vmap(jax.random.bits)(keys)}
    assert len(drawn) == 3 * 2 * 4


def test_times_are_stratified_over_the_whole_batch_and_change_with_the_step():
    state = toy.init()
    coarse, fine = (Grid(num_steps=num, first=0) for num in (toy.BATCH, 10_000))
    first = toy.draws_at(state, time_sampler=coarse)
    np.testing.assert_array_equal(first.times.latent, np.arange(toy.BATCH))
    a = toy.draws_at(state, time_sampler=fine)
    b = toy.draws_at(dataclasses.replace(state, step=jnp.int32(1)), time_sampler=fine)
    assert not np.any(a.times.latent == b.times.latent)


def test_a_time_weighs_what_was_drawn_with_it_and_nothing_else():
    batch = {"image": jnp.zeros(2)}

    def loss(*given):
        assert given == ("parameters", batch, draws)
        return LossTerms(timed=jnp.array([1.0, 2.0]), rest=jnp.array([10.0, 20.0]))

    made = toy.objective(loss)
    assert isinstance(made, Objective)
    at = Times(
        latent=jnp.array([0, 3]),
        t=jnp.array([0.0, 0.25]),
        weight=jnp.array([0.5, 4.0]),
        expected=jnp.zeros(2),
    )
    keys = jax.random.split(jax.random.key(0), 2)
    draws = Draws(at, keys, keys)
    found = made.losses((), "parameters", batch, draws)
    np.testing.assert_array_equal(found.weighted, [10.5, 28.0])
    np.testing.assert_array_equal(found.unweighted, [11.0, 22.0])
    np.testing.assert_array_equal(found.coordinate, [0.0, 0.25])
    np.testing.assert_array_equal(found.remembered, [1.0, 2.0])


def test_history_is_the_samplers_of_what_was_drawn_under_the_schedule_of_now():
    class Spy:
        def init(self):
            return "first"

        def draw(self, history, log_snr, u):
            return (history, log_snr, u)

        def record(self, history, log_snr, times, losses):
            return (history, log_snr, times, losses)

    made = toy.objective(time_sampler=Spy(), log_snr={"parameters": jnp.negative}.get)
    assert made.init("parameters") == "first"
    keys = functools.partial(step_key, 3, step=5)
    position = jnp.arange(4, 8)
    draws = made.draw("history", "parameters", keys, position)
    history, log_snr, u = draws.times
    assert (history, log_snr) == ("history", jnp.negative)
    # One number for all: the place in the batch says the rest.
    np.testing.assert_allclose(u - position / toy.BATCH, u[0] - 0.25, atol=1e-6)
    assert 0.25 <= u[0] < 0.3125

    losses = Losses(*"wuc", remembered="timed")
    found = made.update("history", "parameters", draws, losses)
    assert found == ("history", jnp.negative, draws.times, "timed")


def test_uniform_times_are_each_examples_own():
    made = toy.objective(is_stratified=False)
    keys = functools.partial(step_key, 3, step=5)
    whole = made.draw((), {}, keys, jnp.arange(toy.BATCH))
    part = made.draw((), {}, keys, jnp.array([9, 2]))
    for ours, theirs in zip(
        jax.tree.leaves(part),
        jax.tree.leaves(jax.tree.map(lambda a: a[jnp.array([9, 2])], whole)),
        strict=True,
    ):
        assert jnp.all(ours == theirs)
    latents = [
        made.draw((), {}, functools.partial(step_key, 3, step=n), jnp.arange(16))
        for n in range(50)
    ]
    counts = np.bincount(
        np.concatenate([d.times.latent for d in latents]), minlength=20
    )
    # 800 draws of 20 latents. Stratified ones, five standard errors of 40 +- 6 apart, are
    # told by their being 40 to one part in ten.
    assert np.all(abs(counts - 40) < 5 * np.sqrt(38)) and np.std(counts) > 2.0
