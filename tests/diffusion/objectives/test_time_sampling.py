"""From uniform numbers to times and back to histories, for chains and continuous time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.objectives import loss_history, snr_history
from ddpm_jax.diffusion.objectives.time_sampling import (
    Continuous,
    Grid,
    GridByLoss,
    Times,
    TimeSampler,
)
from ddpm_jax.diffusion.process import schedules

LOW, HIGH = -6.0, 6.0
SCHEDULE = schedules.cosine(LOW, HIGH)
ONE = jnp.ones(1)


def strata(num):
    return (jnp.arange(num) + 0.5) / num


def draw(sampler, history, u, log_snr=SCHEDULE.log_snr):
    return jax.jit(lambda history, u: sampler.draw(history, log_snr, u))(history, u)


def record(sampler, history, times, losses, log_snr=SCHEDULE.log_snr):
    return sampler.record(history, log_snr, times, losses)


def at_times(t):
    t = jnp.asarray(t, jnp.float32)
    return Times(jnp.zeros(t.shape, jnp.int32), t, jnp.ones_like(t), jnp.zeros_like(t))


def continuous(by_loss, is_stratified=True, low=-8.0, high=8.0):
    # Wider than the schedule, as one that learns may be.
    return Continuous(low=low, high=high, by_loss=by_loss, is_stratified=is_stratified)


def minus_slope(t):
    """Of the cosine schedule -2 log tan(u), by hand."""
    first, last = np.arctan(np.exp(-0.5 * HIGH)), np.arctan(np.exp(-0.5 * LOW))
    angle = first + (last - first) * np.asarray(t, np.float64)
    return (last - first) * 4.0 / np.sin(2.0 * angle)


def uneven_history(sampler):
    """Losses at every log SNR, whose spread grows with it."""
    history = sampler.init()
    edges = np.asarray(history.edges, np.float64)
    place = np.repeat((edges[:-1] + edges[1:]) / 2, 10)
    sign = np.tile([1.0, -1.0], len(place) // 2)
    losses = 3.0 + sign * np.exp(0.2 * place)
    return snr_history.record(
        history, jnp.asarray(place, jnp.float32), jnp.asarray(losses, jnp.float32)
    )


@pytest.mark.parametrize(
    "sampler",
    [
        Grid(num_steps=5, first=0),
        GridByLoss(num_steps=5, first=1),
        continuous(False),
        continuous(True),
    ],
)
def test_every_sampler_is_a_time_sampler(sampler):
    assert isinstance(sampler, TimeSampler)
    # And a step can be run again and again by one program.
    traces = []

    @jax.jit
    def step(history, u):
        traces.append(1)
        times = sampler.draw(history, SCHEDULE.log_snr, u)
        return sampler.record(history, SCHEDULE.log_snr, times, times.t + 1.0)

    history = sampler.init()
    for _ in range(3):
        history = step(history, strata(8))
    assert len(traces) == 1


@pytest.mark.parametrize("first", [0, 1])
def test_grid_takes_every_latent_alike(first):
    sampler = Grid(num_steps=11, first=first)
    num = 11 - first
    found = draw(sampler, sampler.init(), strata(100 * num))
    np.testing.assert_array_equal(found.latent, np.repeat(np.arange(first, 11), 100))
    np.testing.assert_allclose(found.t, np.asarray(found.latent) / 10.0, rtol=1e-6)
    np.testing.assert_array_equal(found.weight, 1.0)
    np.testing.assert_array_equal(found.expected, 0.0)
    assert record(sampler, (), found, found.t) == ()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("make", [Grid, GridByLoss])
def test_grid_stays_inside_at_the_ends_of_u(make, first):
    sampler = make(num_steps=1000, first=first)
    below_one = np.nextafter(np.float32(1.0), np.float32(0.0))
    found = draw(sampler, sampler.init(), jnp.array([0.0, below_one]))
    np.testing.assert_array_equal(found.latent, [first, 999])


@pytest.mark.parametrize("first", [0, 1])
def test_grid_by_loss_records_under_the_latents_own_number(first):
    sampler = GridByLoss(num_steps=5, first=first)
    history = sampler.init()
    assert history.num_recorded.shape == (5 - first,)
    latent = jnp.arange(first, 5)
    blank = jnp.zeros(latent.shape)
    times = Times(latent, latent / 4.0, blank + 1.0, blank)
    for _ in range(10):
        history = record(sampler, history, times, 10.0 * latent + 1.0)
    want = 10.0 * np.arange(first, 5) + 1.0
    np.testing.assert_array_equal(
        history.losses, np.broadcast_to(want[:, None], history.losses.shape)
    )


@pytest.mark.parametrize("first", [0, 1])
def test_grid_by_loss_draws_in_proportion_and_weights_undo_it(first):
    sampler = GridByLoss(num_steps=5, first=first)
    size = 5 - first
    rms = np.arange(1.0, size + 1.0)
    history = loss_history.record(
        sampler.init(),
        jnp.repeat(jnp.arange(size), 10),
        jnp.repeat(jnp.asarray(rms, jnp.float32), 10),
    )
    num = 10_000
    found = draw(sampler, history, strata(num))
    share = 0.999 * rms / rms.sum() + 0.001 / size
    counts = np.bincount(found.latent, minlength=5)
    assert not counts[:first].any()
    assert np.all(np.abs(counts[first:] - num * share) < 1.5)
    number = np.asarray(found.latent) - first
    np.testing.assert_allclose(found.weight, 1.0 / (size * share[number]), rtol=1e-5)
    np.testing.assert_allclose(found.t, np.asarray(found.latent) / 4.0)
    np.testing.assert_array_equal(found.expected, 0.0)


def test_an_empty_history_by_loss_is_even():
    sampler = GridByLoss(num_steps=5, first=1)
    found = draw(sampler, sampler.init(), strata(8))
    np.testing.assert_array_equal(found.latent, [1, 1, 2, 2, 3, 3, 4, 4])
    np.testing.assert_allclose(found.weight, 1.0, rtol=1e-6)


def test_continuous_time_is_u_itself():
    sampler = continuous(by_loss=False, is_stratified=False)
    u = strata(50)
    found = draw(sampler, uneven_history(sampler), u)
    np.testing.assert_array_equal(found.t, u)
    np.testing.assert_array_equal(found.weight, 1.0)
    np.testing.assert_array_equal(found.latent, 0)
    np.testing.assert_array_equal(found.expected, 0.0)


@pytest.mark.parametrize("by_loss", [False, True])
def test_expected_loss_is_the_mean_over_log_snr_times_the_speed(by_loss):
    sampler = continuous(by_loss)
    # Mean 3 a unit of log SNR everywhere.
    found = draw(sampler, uneven_history(sampler), strata(50))
    np.testing.assert_allclose(found.expected, 3.0 * minus_slope(found.t), rtol=1e-4)
    empty = draw(sampler, sampler.init(), strata(50))
    np.testing.assert_array_equal(empty.expected, 0.0)
    loose = continuous(by_loss, is_stratified=False)
    unknown = draw(loose, uneven_history(loose), strata(50))
    np.testing.assert_array_equal(unknown.expected, 0.0)


def test_expected_loss_is_that_of_each_times_own_log_snr():
    sampler = continuous(by_loss=False)
    t = jnp.array([0.01, 0.5, 0.99])
    history = record(
        sampler, sampler.init(), at_times(t), jnp.array([1.0, 20.0, 300.0])
    )
    # What was recorded at a time comes back as it was.
    found = draw(sampler, history, t)
    np.testing.assert_allclose(found.expected, [1.0, 20.0, 300.0], rtol=1e-5)


def test_recorded_losses_are_a_unit_of_log_snr():
    sampler = continuous(by_loss=True)
    t = np.array([0.05, 0.4, 0.9])
    losses = np.array([2.0, 5.0, 7.0])
    history = record(
        sampler, sampler.init(), at_times(t), jnp.asarray(losses, jnp.float32)
    )
    place = ((np.asarray(SCHEDULE.log_snr(jnp.asarray(t))) + 8.0) / 0.16).astype(int)
    assert len(set(place)) == 3
    total, num = np.zeros((2, 100))
    total[place], num[place] = losses / minus_slope(t), 1.0
    np.testing.assert_array_equal(history.num, num)
    np.testing.assert_allclose(history.total, total, rtol=1e-5)


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize(
    "log_snr",
    [SCHEDULE.log_snr, lambda t: 5.0 - 3.0 * t - 6.0 * t**3],
    ids=["cosine", "cubic"],
)
def test_weighted_means_by_loss_are_integrals_over_time(is_known, log_snr):
    sampler = continuous(by_loss=True)
    history = uneven_history(sampler) if is_known else sampler.init()
    found = draw(sampler, history, strata(100_000), log_snr)
    t, weight = (np.asarray(a, np.float64) for a in (found.t, found.weight))
    assert np.all((t >= 0.0) & (t <= 1.0)) and np.all(weight > 0.0)
    assert np.all(np.diff(t) >= 0.0) and t[0] < 1e-3 and t[-1] > 1.0 - 1e-3
    for function, integral in (
        (np.ones_like, 1.0),
        (lambda t: 3.0 * t**2, 1.0),
        (lambda t: np.sin(3.0 * t) + 2.0, (1.0 - np.cos(3.0)) / 3.0 + 2.0),
    ):
        np.testing.assert_allclose(np.mean(weight * function(t)), integral, rtol=2e-3)


def test_times_by_loss_are_even_over_log_snr_until_it_is_known():
    sampler = continuous(by_loss=True)
    found = draw(sampler, sampler.init(), strata(200))
    want = HIGH + (LOW - HIGH) * np.asarray(strata(200))
    np.testing.assert_allclose(SCHEDULE.log_snr(found.t), want, atol=1e-3)
    speed = minus_slope(found.t)
    np.testing.assert_allclose(found.weight, 12.0 / speed, rtol=1e-3)


def test_times_by_loss_crowd_where_the_spread_is():
    sampler = continuous(by_loss=True)
    u = strata(10_000)
    known = draw(sampler, uneven_history(sampler), u)
    # The share above log SNR 0, of a density that is exp(0.2 log SNR) and a tenth even.
    above = (np.exp(1.2) - 1.0) / (np.exp(1.2) - np.exp(-1.2))
    share = np.mean(np.asarray(SCHEDULE.log_snr(known.t)) > 0.0)
    np.testing.assert_allclose(share, 0.9 * above + 0.05, atol=0.01)


def test_weights_by_loss_lower_the_variance_of_losses_of_uneven_spread():
    """Of random losses at stratified times; Neyman's allocation is the best there is."""
    sampler = continuous(by_loss=True)
    history, u = uneven_history(sampler), strata(10_000)

    def variance(found):
        t = np.asarray(found.t, np.float64)
        std = minus_slope(t) * np.exp(0.2 * np.asarray(SCHEDULE.log_snr(found.t)))
        return np.mean((np.asarray(found.weight) * std) ** 2)

    by_loss = variance(draw(sampler, history, u))
    even = variance(draw(sampler, sampler.init(), u))
    by_time = variance(draw(continuous(by_loss=False), history, u))
    assert by_loss < 0.85 * even and by_loss < 0.85 * by_time


@pytest.mark.parametrize("is_known", [False, True])
def test_times_by_loss_are_finite_at_the_ends_of_u(is_known):
    sampler = continuous(by_loss=True)
    history = uneven_history(sampler) if is_known else sampler.init()
    below_one = np.nextafter(np.float32(1.0), np.float32(0.0))
    found = draw(sampler, history, jnp.array([0.0, 1e-9, below_one], jnp.float32))
    np.testing.assert_allclose(found.t, [0.0, 0.0, 1.0], atol=1e-5)
    assert np.all(np.isfinite(found.weight)) and np.all(found.weight > 0.0)
    assert np.all(np.isfinite(found.expected))


@pytest.mark.parametrize("by_loss", [False, True])
def test_no_gradient_reaches_the_schedule_through_the_choice_of_times(by_loss):
    sampler = continuous(by_loss)
    history = uneven_history(sampler)

    def total(steepness):
        def log_snr(t):
            return steepness * SCHEDULE.log_snr(t)

        times = sampler.draw(history, log_snr, strata(20))
        return jnp.sum(times.t + times.weight + times.expected)

    assert jax.jit(jax.grad(total))(jnp.float32(0.9)) == 0.0
