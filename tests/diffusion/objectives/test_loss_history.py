"""What the loss-aware sampler of a chain's times remembers and draws."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.objectives import loss_history
from ddpm_jax.diffusion.process import times


def recorded(history: loss_history.LossHistory) -> list[list[float]]:
    """The losses of each time, oldest last, whatever the ring's turn."""
    length = history.losses.shape[1]
    rows = []
    for row, count in zip(
        np.asarray(history.losses), np.asarray(history.num_recorded), strict=True
    ):
        newest_first = [row[(count - 1 - i) % length] for i in range(length)]
        rows.append(newest_first[: min(count, length)])
    return rows


def filled(losses: np.ndarray) -> loss_history.LossHistory:
    """A history that holds the given losses, [num_steps, length]."""
    history = loss_history.init_history(*losses.shape)
    index = jnp.repeat(jnp.arange(losses.shape[0]), losses.shape[1])
    return loss_history.record(history, index, jnp.asarray(losses).reshape(-1))


def test_history_is_that_of_one_loss_at_a_time():
    num_steps, length, batch = 5, 3, 16
    rng = np.random.default_rng(0)
    record = jax.jit(loss_history.record)
    history = loss_history.init_history(num_steps, length)
    deques: list[collections.deque] = [
        collections.deque(maxlen=length) for _ in range(num_steps)
    ]
    for _ in range(40):
        # Few times, so that one occurs up to batch times, also more often than length.
        index = rng.choice(num_steps, batch, p=[0.6, 0.2, 0.1, 0.09, 0.01])
        losses = rng.random(batch).astype(np.float32)
        history = record(history, jnp.asarray(index), jnp.asarray(losses))
        for k, loss in zip(index, losses, strict=True):
            deques[k].appendleft(loss)
        assert recorded(history) == [list(d) for d in deques]
    assert np.all(history.num_recorded < 2 * length)


def test_record_is_compiled_once():
    traces = []

    @jax.jit
    def record(history, index, losses):
        traces.append(1)
        return loss_history.record(history, index, losses)

    history = loss_history.init_history(4, 2)
    for step in range(3):
        history = record(history, jnp.full(8, step), jnp.ones(8))
    assert len(traces) == 1


def test_uniform_until_every_time_is_known():
    history = loss_history.init_history(4, length=2)
    index = jnp.array([0, 0, 1, 1, 2, 2, 3])
    history = loss_history.record(history, index, jnp.arange(1.0, 8.0))
    np.testing.assert_allclose(loss_history.probabilities(history), 0.25, rtol=1e-6)

    history = loss_history.record(history, jnp.array([3]), jnp.array([8.0]))
    rms = np.sqrt([(1 + 4) / 2, (9 + 16) / 2, (25 + 36) / 2, (49 + 64) / 2])
    expected = 0.999 * rms / rms.sum() + 0.001 / 4
    np.testing.assert_allclose(loss_history.probabilities(history), expected, rtol=1e-6)


def test_losses_of_zero_leave_times_uniform():
    history = filled(np.zeros((4, 2), np.float32))
    np.testing.assert_allclose(loss_history.probabilities(history), 0.25, rtol=1e-6)


def test_draws_follow_the_probabilities_and_weights_undo_them():
    losses = np.abs(np.random.default_rng(1).normal(size=(50, 10))).astype(np.float32)
    history = filled(losses * np.linspace(0.01, 3.0, 50, dtype=np.float32)[:, None])
    p = np.asarray(loss_history.probabilities(history))
    batch = 100_000
    u = times.stratified(jax.random.key(4), jnp.arange(batch), batch)
    index, weight = jax.jit(loss_history.draw)(history, u)

    # Stratified draws miss their expectation by less than one each; so no statistics.
    counts = np.bincount(index, minlength=50)
    assert np.all(np.abs(counts - batch * p) < 1.5)
    np.testing.assert_allclose(weight, 1.0 / (50 * p[np.asarray(index)]), rtol=1e-5)
    loss = np.sin(np.arange(50)) + 2.0
    np.testing.assert_allclose(
        np.mean(np.asarray(weight) * loss[np.asarray(index)]), loss.mean(), rtol=1e-3
    )


def test_draws_of_an_empty_history_are_even():
    u = (jnp.arange(1000) + 0.5) / 1000
    index, weight = loss_history.draw(loss_history.init_history(10), u)
    np.testing.assert_array_equal(index, np.arange(1000) // 100)
    np.testing.assert_allclose(weight, 1.0, rtol=1e-6)


def test_draws_stay_inside_at_the_ends_of_u():
    history = filled(np.full((1000, 1), 0.7, np.float32))
    below_one = np.nextafter(np.float32(1.0), np.float32(0.0))
    index, _ = loss_history.draw(history, jnp.array([0.0, below_one]))
    np.testing.assert_array_equal(index, [0, 999])


def test_a_history_has_room():
    with pytest.raises(ValueError, match="num_steps = 0"):
        loss_history.init_history(0)
    with pytest.raises(ValueError, match="length = 0"):
        loss_history.init_history(10, length=0)
