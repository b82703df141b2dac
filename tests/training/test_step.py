import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ddpm_jax.diffusion.objectives import loss_history
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from tests.training import toy


def run(train_step, state, num_steps, first=0):
    train_step = jax.jit(train_step)
    for n in range(first, first + num_steps):
        state = train_step(state, toy.batch(n))
    return state


def assert_same(ours, theirs, **tolerance):
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True
    ):
        np.testing.assert_allclose(
            a, b, err_msg=jax.tree_util.keystr(path), **tolerance
        )


def test_one_step_is_the_optimizers_on_the_mean_gradient():
    state = toy.init()
    draws = toy.draws_at(state)
    grads = jax.grad(lambda p: jnp.mean(toy.loss_fn(p, toy.batch(0), draws).total))(
        state.params
    )
    rule, _ = toy.rule()
    updates, _ = rule.update(grads, rule.init(state.params), state.params)
    params = optax.apply_updates(state.params, updates)

    after = run(toy.make_step(), state, 1)
    assert_same(after.params, params, rtol=1e-6)
    for name, decay in (("0.9", 0.9), ("0.5", 0.5)):
        average = jax.tree.map(
            lambda old, new, d=decay: d * old + (1 - d) * new, state.params, params
        )
        assert_same(after.ema_params[name], average, rtol=1e-6)
    np.testing.assert_allclose(
        after.window.grad_norm, optax.tree.norm(grads), rtol=1e-6
    )


def test_microbatches_equal_the_whole_batch():
    whole = run(toy.make_step(), toy.init(), 6)
    for num in (2, 8):
        pieces = run(toy.make_step(num_microbatches=num), toy.init(), 6)
        assert_same(pieces, whole, rtol=2e-5, atol=1e-7)


def test_microbatches_equal_the_whole_batch_under_importance_sampling():
    def start():
        return toy.init(loss_history.init_history(20, length=1))

    whole = run(toy.make_step(time_sampler=toy.BY_LOSS), start(), 6)
    pieces = run(
        toy.make_step(time_sampler=toy.BY_LOSS, num_microbatches=4), start(), 6
    )
    assert np.all(whole.time_history.num_recorded > 0)
    assert_same(pieces, whole, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_step_that_is_not_finite_changes_nothing_but_the_counters(where):
    def bad_loss(params, batch, draws):
        losses = toy.loss_fn(params, batch, draws)
        kernel = params["net"]["dense"]["kernel"]
        # The root's derivative at zero is infinite, its value is not.
        poison = jnp.sqrt(jnp.sum(jnp.square(kernel - kernel)))
        poison = poison if where == "gradient" else jnp.nan
        is_bad = jnp.any(batch["image"] > 1e3)
        return jax.tree.map(lambda a: jnp.where(is_bad, a + poison, a), losses)

    train_step = jax.jit(toy.make_step(loss=bad_loss, log_every=100))
    good, bad = toy.batch(0), toy.batch(1)
    bad["image"][0, 0] = 1e4
    state = run(toy.make_step(), toy.init(), 2)
    if where == "loss":
        state = train_step(state, good)
    kept = ("params", "ema_params", "opt_state", "window")
    for count in (1, 2, 3):
        after = train_step(state, bad)
        for name in kept:
            assert_same(getattr(after, name), getattr(state, name), rtol=0)
        assert after.step == state.step + 1
        assert after.skipped == count and after.skipped_in_a_row == count
        state = after
    if where == "loss":
        state = train_step(state, good)
        assert state.skipped == 3 and state.skipped_in_a_row == 0


def test_the_window_sums_since_the_last_row():
    train_step = jax.jit(toy.make_step(log_every=3))
    state, losses = toy.init(), []
    for n in range(7):
        before = state
        state = train_step(state, toy.batch(n))
        draws = toy.draws_at(before)
        losses.append(toy.loss_fn(before.params, toy.batch(n), draws).total)
        since = losses[n - n % 3 :]
        assert state.window.num_steps == len(since)
        np.testing.assert_allclose(
            state.window.loss, sum(map(np.mean, since)), rtol=1e-5
        )
        np.testing.assert_allclose(
            np.sum(state.window.quarter_loss), np.sum(since), rtol=1e-5
        )
        # Stratified over 20 latents, so each quarter of [0, 1] has its 5.
        np.testing.assert_array_equal(state.window.quarter_count.sum(), 16 * len(since))


def test_quarters_hold_their_own_times():
    def loss(params, batch, draws):
        found = draws.times.t + 0.0 * params["net"]["dense"]["bias"][0]
        return LossTerms(found, jnp.zeros_like(found))

    window = run(toy.make_step(loss=loss), toy.init(), 1).window
    means = np.asarray(window.quarter_loss / window.quarter_count)
    assert np.all(np.floor(means * 4) == np.arange(4))


def test_ema_warms_up():
    plain = toy.init()
    after = run(toy.make_step(ema_warmup=True), plain, 1)
    # At the first update the decay is min(0.9, 1/10).
    average = jax.tree.map(lambda a, b: 0.1 * a + 0.9 * b, plain.params, after.params)
    assert_same(after.ema_params["0.9"], average, rtol=1e-6)


def test_it_compiles_once():
    traces = []

    def counted(params, batch, draws):
        traces.append(1)
        return toy.loss_fn(params, batch, draws)

    run(toy.make_step(loss=counted), toy.init(), 12)
    assert len(traces) == 1


def failing_at(bad_batches, **changes):
    """The step, and its batches, some of which have a loss that is not a number."""

    def loss(params, batch, draws):
        is_bad = jnp.any(batch["image"] > 1e3)
        losses = toy.loss_fn(params, batch, draws)
        return jax.tree.map(lambda a: jnp.where(is_bad, jnp.nan, a), losses)

    def batch(n):
        found = toy.batch(n)
        if n in bad_batches:
            found["image"][0, 0] = 1e4
        return found

    return jax.jit(toy.make_step(loss=loss, **changes)), batch


def norm(tree):
    """Of all numbers of a tree, in float64."""
    leaves = [np.asarray(a, np.float64).ravel() for a in jax.tree.leaves(tree)]
    return np.linalg.norm(np.concatenate(leaves))


@pytest.mark.parametrize("bad", [(), (0, 1), (2, 3, 9), (4, 8, 12)])
def test_averages_warm_up_by_updates_however_many_steps_were_skipped(bad):
    train_step, batch = failing_at(bad, ema_warmup=True, log_every=0)
    state, num_updates = toy.init(), 0
    averages = {
        name: jax.tree.map(np.float64, state.params) for name in state.ema_params
    }
    warmed_up = set()
    for n in range(16):
        state = train_step(state, batch(n))
        assert state.skipped == n + 1 - num_updates - (n not in bad)
        if n not in bad:
            for name, average in averages.items():
                warming = (1.0 + num_updates) / (10.0 + num_updates)
                decay = min(float(name), warming)
                warmed_up |= {name} if warming > decay else set()
                averages[name] = jax.tree.map(
                    lambda a, p, d=decay: d * a + (1.0 - d) * np.float64(p),
                    average,
                    state.params,
                )
            num_updates += 1
        for name, average in averages.items():
            assert_same(state.ema_params[name], average, rtol=1e-4, atol=1e-6)
    # The one is still warming up, the other is at its own decay.
    assert warmed_up == {"0.5"}


def test_without_a_warm_up_averages_have_their_decay_from_the_first_update():
    train_step, batch = failing_at((1,))
    state = toy.init()
    average = jax.tree.map(np.float64, state.params)
    for n in range(5):
        state = train_step(state, batch(n))
        if n != 1:
            average = jax.tree.map(
                lambda a, p: 0.9 * a + 0.1 * np.float64(p), average, state.params
            )
        assert_same(state.ema_params["0.9"], average, rtol=1e-4, atol=1e-6)


# Rows of three steps: a bad one closes a row, opens one, is all of one, and is inside.
@pytest.mark.parametrize("bad", [(), (2,), (3,), (3, 4, 5), (1, 7)])
def test_sums_of_a_row_leave_skipped_steps_out_and_count_updates(bad):
    train_step, batch = failing_at(bad, log_every=3)
    _, rate = toy.rule()
    state, num_updates, row = toy.init(), 0, []
    for n in range(11):
        before = state
        state = train_step(before, batch(n))
        if n % 3 == 0:
            row = []
        if n not in bad:
            moved = jax.tree.map(
                lambda a, b: np.float64(a) - np.float64(b), state.params, before.params
            )
            # During the warm-up each update has a rate of its own.
            row.append((norm(moved), norm(state.params), float(rate(num_updates))))
            num_updates += 1
        window = state.window
        assert window.num_steps == len(row)
        sums = np.sum(row, axis=0) if row else np.zeros(3)
        found = window.update_norm, window.param_norm, window.learning_rate
        np.testing.assert_allclose(found, sums, rtol=1e-4, atol=1e-7)
        assert window.quarter_count.sum() == toy.BATCH * len(row)
        assert np.isfinite(window.loss) and np.isfinite(window.grad_norm)
        assert (window.loss > 0) == (window.grad_norm > 0) == bool(row)
    assert len({float(rate(n)) for n in range(5)}) == 4


def test_after_skipped_steps_the_run_is_that_of_the_good_ones_but_for_its_draws():
    """What is drawn follows the step; the optimiser, its rate and averages the updates."""
    train_step, batch = failing_at((1, 2))
    state = toy.init()
    for n in range(4):
        state = train_step(state, batch(n))
    other = toy.init()
    for n in (0, 3):
        at = dataclasses.replace(
            other, step=jnp.int32(n), skipped=jnp.int32(max(n - 1, 0))
        )
        other = train_step(at, batch(n))
    assert_same(state.params, other.params, rtol=1e-6)
    assert_same(state.opt_state, other.opt_state, rtol=1e-6)
    assert_same(state.ema_params, other.ema_params, rtol=1e-6)
    assert (state.step, state.skipped) == (4, 2)
