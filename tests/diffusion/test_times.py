"""Times: where they fall, and what the loss-aware sampler remembers and draws."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion import times

# 49 and 98 are sizes at which arange with a step of 1/B has one element too many.
BATCH_SIZES = [1, 2, 7, 49, 98, 128, 1000]


def test_uniform_is_each_examples_own():
    keys = jax.random.split(jax.random.key(0), 5000)
    u = times.uniform(keys)
    assert u.shape == (5000,) and np.all(u >= 0.0) and np.all(u < 1.0)
    np.testing.assert_array_equal(times.uniform(keys[10:13]), u[10:13])
    # Kolmogorov's statistic is above 2 / sqrt(n) once in 1500 seeds.
    distance = np.max(np.abs(np.sort(u) - (np.arange(5000) + 0.5) / 5000))
    assert distance < 2.0 / np.sqrt(5000)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
def test_stratified_has_one_time_in_each_stratum(batch_size):
    positions = jnp.arange(batch_size)
    u = np.asarray(times.stratified(jax.random.key(1), positions, batch_size))
    assert u.shape == (batch_size,) and np.all(u < 1.0)
    np.testing.assert_array_equal(np.floor(u * batch_size), positions)
    np.testing.assert_allclose(np.diff(u), 1.0 / batch_size, rtol=1e-3)


def test_strata_are_of_the_global_batch():
    key, positions = jax.random.key(2), jnp.arange(12)
    whole = times.stratified(key, positions, 12)
    parts = [times.stratified(key, part, 12) for part in jnp.split(positions, 3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_stratified_is_uniform_over_keys():
    keys = jax.random.split(jax.random.key(3), 4000)
    last = jax.vmap(lambda key: times.stratified(key, jnp.array([3]), 4)[0])(keys)
    # Five standard errors of the mean of 4000 uniforms on [3/4, 1].
    assert abs(last.mean() - 7.0 / 8.0) < 5.0 * 0.25 / np.sqrt(12 * 4000)


def test_stratified_never_reaches_one(monkeypatch):
    largest = jnp.nextafter(jnp.float32(1.0), jnp.float32(0.0))
    monkeypatch.setattr(jax.random, "uniform", lambda key: largest)
    for batch_size in (1024, 2048, 1 << 20):
        u = times.stratified(jax.random.key(0), jnp.array([batch_size - 1]), batch_size)
        assert u[0] < 1.0


@pytest.mark.parametrize("num_steps", [2, 3, 10, 1000])
def test_grid_times_are_equally_likely(num_steps):
    u = (jnp.arange(8 * num_steps) + 0.5) / (8 * num_steps)
    index, t = jax.jit(times.on_grid, static_argnums=1)(u, num_steps)
    np.testing.assert_array_equal(np.bincount(index), np.full(num_steps, 8))
    np.testing.assert_array_equal(
        np.unique(t), np.arange(num_steps, dtype=np.float32) / (num_steps - 1)
    )


def test_grid_is_float64_where_that_is_enabled():
    with jax.enable_x64(True):
        t = times.grid_time(jnp.arange(8, dtype=jnp.int32), 8)
        assert t.dtype == jnp.float64
        np.testing.assert_array_equal(t, np.arange(8) / 7)


def test_the_ends_of_the_grid():
    below_one = np.nextafter(np.float32(1.0), np.float32(0.0))
    index, t = times.on_grid(jnp.array([0.0, below_one, 1.0]), 1000)
    np.testing.assert_array_equal(index, [0, 999, 999])
    np.testing.assert_array_equal(t, [0.0, 1.0, 1.0])


def test_a_chain_has_two_latents_or_more():
    with pytest.raises(ValueError, match=r"num_steps = 1: .* 2 latents"):
        times.on_grid(jnp.array([0.5]), 1)
    with pytest.raises(ValueError, match="num_steps = 1"):
        times.init_history(1)
    with pytest.raises(ValueError, match="length = 0"):
        times.init_history(10, length=0)


def recorded(history: times.LossHistory) -> list[list[float]]:
    """The losses of each time, oldest last, whatever the ring's turn."""
    length = history.losses.shape[1]
    rows = []
    for row, count in zip(
        np.asarray(history.losses), np.asarray(history.num_recorded), strict=True
    ):
        newest_first = [row[(count - 1 - i) % length] for i in range(length)]
        rows.append(newest_first[: min(count, length)])
    return rows


def filled(losses: np.ndarray) -> times.LossHistory:
    """A history that holds the given losses, [num_steps, length]."""
    history = times.init_history(*losses.shape)
    index = jnp.repeat(jnp.arange(losses.shape[0]), losses.shape[1])
    return times.record(history, index, jnp.asarray(losses).reshape(-1))


def test_history_is_that_of_one_loss_at_a_time():
    num_steps, length, batch = 5, 3, 16
    rng = np.random.default_rng(0)
    record = jax.jit(times.record)
    history = times.init_history(num_steps, length)
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
        return times.record(history, index, losses)

    history = times.init_history(4, 2)
    for step in range(3):
        history = record(history, jnp.full(8, step), jnp.ones(8))
    assert len(traces) == 1


def test_uniform_until_every_time_is_known():
    history = times.init_history(4, length=2)
    index = jnp.array([0, 0, 1, 1, 2, 2, 3])
    history = times.record(history, index, jnp.arange(1.0, 8.0))
    np.testing.assert_allclose(times.probabilities(history), 0.25, rtol=1e-6)

    history = times.record(history, jnp.array([3]), jnp.array([8.0]))
    rms = np.sqrt([(1 + 4) / 2, (9 + 16) / 2, (25 + 36) / 2, (49 + 64) / 2])
    expected = 0.999 * rms / rms.sum() + 0.001 / 4
    np.testing.assert_allclose(times.probabilities(history), expected, rtol=1e-6)


def test_losses_of_zero_leave_times_uniform():
    history = filled(np.zeros((4, 2), np.float32))
    np.testing.assert_allclose(times.probabilities(history), 0.25, rtol=1e-6)


def test_draws_follow_the_probabilities_and_weights_undo_them():
    losses = np.abs(np.random.default_rng(1).normal(size=(50, 10))).astype(np.float32)
    history = filled(losses * np.linspace(0.01, 3.0, 50, dtype=np.float32)[:, None])
    p = np.asarray(times.probabilities(history))
    batch = 100_000
    u = times.stratified(jax.random.key(4), jnp.arange(batch), batch)
    index, t, weight = jax.jit(times.draw)(history, u)

    # Stratified draws miss their expectation by less than one each; so no statistics.
    counts = np.bincount(index, minlength=50)
    assert np.all(np.abs(counts - batch * p) < 1.5)
    np.testing.assert_allclose(weight, 1.0 / (50 * p[np.asarray(index)]), rtol=1e-5)
    np.testing.assert_allclose(t, np.asarray(index) / 49, rtol=1e-6)
    loss = np.sin(np.arange(50)) + 2.0
    np.testing.assert_allclose(
        np.mean(np.asarray(weight) * loss[np.asarray(index)]), loss.mean(), rtol=1e-3
    )


def test_draws_of_an_empty_history_are_those_of_the_grid():
    u = (jnp.arange(1000) + 0.5) / 1000
    index, t, weight = times.draw(times.init_history(10), u)
    expected_index, expected_t = times.on_grid(u, 10)
    np.testing.assert_array_equal(index, expected_index)
    np.testing.assert_array_equal(t, expected_t)
    np.testing.assert_allclose(weight, 1.0, rtol=1e-6)


def test_draws_stay_inside_at_the_ends_of_u():
    history = filled(np.full((1000, 1), 0.7, np.float32))
    below_one = np.nextafter(np.float32(1.0), np.float32(0.0))
    index, _, _ = times.draw(history, jnp.array([0.0, below_one]))
    np.testing.assert_array_equal(index, [0, 999])
