"""What the continuous sampler of log SNRs remembers and draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.objectives import snr_history
from ddpm_jax.diffusion.objectives.snr_history import SnrHistory

LOW, HIGH = jnp.float32(-4.0), jnp.float32(6.0)
WHOLE = (-4.0, 6.0)
NUM_BINS = 20  # Each half a log SNR wide.
EDGES = np.linspace(*WHOLE, NUM_BINS + 1)


def centres():
    return (EDGES[:-1] + EDGES[1:]) / 2


def filled(std, mean=5.0, bins=range(NUM_BINS), num=10):
    """A history of `num` losses in each of `bins`, mean +- std[bin]."""
    place = np.repeat(np.array(bins, int), num)
    sign = np.tile([1.0, -1.0], len(place) // 2)
    losses = mean + sign * np.asarray(std)[place]
    log_snr = centres()[place]
    return snr_history.record(
        snr_history.init(*WHOLE, NUM_BINS),
        jnp.asarray(log_snr, jnp.float32),
        jnp.asarray(losses, jnp.float32),
    )


def draw(history, low=LOW, high=HIGH, num=100_000):
    """(log SNRs, densities) from the middles of `num` strata, as float64."""
    u = (jnp.arange(num) + 0.5) / num
    found = jax.jit(snr_history.draw)(history, u, jnp.float32(low), jnp.float32(high))
    return tuple(np.asarray(a, np.float64) for a in found)


def widths(low, high):
    return np.diff(np.clip(EDGES, low, high))


def density_of_std(std, low, high):
    """A tenth even over [low, high], the rest in proportion to std."""
    return 0.9 * std / np.sum(std * widths(low, high)) + 0.1 / (high - low)


UNEVEN = np.abs(np.sin(np.arange(1.0, NUM_BINS + 1.0))) ** 3 + 0.01


@pytest.fixture(params=["empty", "known", "steep"])
def history(request):
    return {
        "empty": snr_history.init(*WHOLE, NUM_BINS),
        "known": filled(UNEVEN),
        "steep": filled(np.where(np.arange(NUM_BINS) == 7, 4.0, 0.0)),
    }[request.param]


def test_record_is_decayed_sums_of_each_bin():
    rng = np.random.default_rng(0)
    history = snr_history.init(*WHOLE, NUM_BINS)
    record = jax.jit(snr_history.record)
    num, total, square = np.zeros((3, NUM_BINS))
    for _ in range(30):
        log_snr = rng.uniform(*WHOLE, 16).astype(np.float32)
        losses = rng.exponential(size=16).astype(np.float32)
        history = record(history, jnp.asarray(log_snr), jnp.asarray(losses))
        num, total, square = 0.99 * num, 0.99 * total, 0.99 * square
        for value, loss in zip(log_snr, losses, strict=True):
            place = int((value + 4.0) / 0.5)
            num[place] += 1
            total[place] += loss
            square[place] += float(loss) ** 2
    np.testing.assert_allclose(history.edges, EDGES, rtol=1e-6)
    np.testing.assert_allclose(history.num, num, rtol=1e-5)
    np.testing.assert_allclose(history.total, total, rtol=1e-5)
    np.testing.assert_allclose(history.total_square, square, rtol=1e-5)


def test_losses_beyond_the_edges_count_in_the_outer_bins():
    history = snr_history.record(
        snr_history.init(*WHOLE, NUM_BINS),
        jnp.array([-100.0, -4.0, 6.0, 50.0, 5.9]),
        jnp.array([1.0, 2.0, 3.0, 4.0, 5.0]),
    )
    num, total = np.zeros((2, NUM_BINS))
    num[[0, -1]], total[[0, -1]] = [2, 3], [3, 12]
    np.testing.assert_array_equal(history.num, num)
    np.testing.assert_array_equal(history.total, total)


def test_record_is_compiled_once():
    traces = []

    @jax.jit
    def record(*args):
        traces.append(1)
        return snr_history.record(*args)

    history = snr_history.init(*WHOLE, NUM_BINS)
    for step in range(3):
        history = record(history, jnp.full(8, float(step)), jnp.ones(8))
    assert len(traces) == 1


def test_an_empty_history_shares_no_array():
    history = snr_history.init(*WHOLE)
    assert history.num.shape == (100,)
    assert len({id(a) for a in history}) == len(history)
    donated = jax.jit(lambda h: h, donate_argnums=0)(history)
    assert {a.dtype for a in donated} == {jnp.dtype("float32")}


def test_moments_are_those_of_the_losses():
    rng = np.random.default_rng(1)
    place = rng.integers(0, NUM_BINS - 3, 400)
    losses = rng.normal(2.0, 1.0 + place, 400).astype(np.float32)
    history = snr_history.record(
        snr_history.init(*WHOLE, NUM_BINS),
        jnp.asarray(centres()[place], jnp.float32),
        jnp.asarray(losses),
    )
    mean, std = snr_history.moments(history)
    for k in range(NUM_BINS - 3):
        np.testing.assert_allclose(mean[k], losses[place == k].mean(), atol=1e-4)
        np.testing.assert_allclose(std[k], losses[place == k].std(), rtol=1e-4)
    np.testing.assert_array_equal(mean[-3:], 0.0)
    np.testing.assert_array_equal(std[-3:], 0.0)


def test_equal_losses_have_no_spread_rather_than_nan():
    mean, std = snr_history.moments(filled(np.zeros(NUM_BINS), mean=1.1))
    np.testing.assert_allclose(mean, 1.1, rtol=1e-6)
    # The difference of two squares is 0 up to their rounding.
    assert np.all(std >= 0.0) and np.all(std < 1e-3)


def test_expected_is_the_mean_of_the_bin():
    mean = np.arange(NUM_BINS) + 1.0
    history = snr_history.record(
        snr_history.init(*WHOLE, NUM_BINS),
        jnp.asarray(np.tile(centres(), 2), jnp.float32),
        jnp.asarray(np.concatenate([mean - 0.5, mean + 0.5]), jnp.float32),
    )
    log_snr = jnp.array([-9.0, -4.0, -3.6, -3.4, 5.9, 6.0, 9.0])
    got = snr_history.expected(history, log_snr)
    np.testing.assert_allclose(got, [1.0, 1.0, 1.0, 2.0, 20.0, 20.0, 20.0], rtol=1e-6)
    empty = snr_history.init(*WHOLE, NUM_BINS)
    np.testing.assert_array_equal(snr_history.expected(empty, log_snr), 0.0)


@pytest.mark.parametrize("low, high", [WHOLE, (-3.3, 2.2), (-1.5, 4.0), (0.1, 0.3)])
def test_draws_stay_inside_and_follow_a_density_of_integral_1(history, low, high):
    num = 100_000
    log_snr, density = draw(history, low, high, num)
    assert np.all(log_snr >= np.float32(low)) and np.all(log_snr <= np.float32(high))
    assert np.all(np.diff(log_snr) >= 0.0)
    place = np.clip(((log_snr + 4.0) / 0.5).astype(int), 0, NUM_BINS - 1)
    width = widths(low, high)
    of_bin = np.zeros(NUM_BINS)
    for k in range(NUM_BINS):
        if width[k] > 0:
            # Constant within a bin; next to its edges rounding may tell otherwise.
            of_bin[k] = np.median(density[place == k])
    np.testing.assert_allclose(np.sum(of_bin * width), 1.0, rtol=1e-4)

    # The middles of strata miss no distribution function by more than one of them, up to
    # the rounding of float32 sums.
    share = np.concatenate([[0.0], np.cumsum(of_bin * width)])
    at = np.interp(log_snr, np.clip(EDGES, low, high), share)
    np.testing.assert_allclose(at, (np.arange(num) + 0.5) / num, atol=1e-4)


@pytest.mark.parametrize("low, high", [WHOLE, (-3.3, 2.2)])
def test_one_over_the_density_makes_means_integrals(history, low, high):
    log_snr, density = draw(history, low, high)
    got = np.mean((np.sin(log_snr) + 2.0) / density)
    want = np.cos(low) - np.cos(high) + 2.0 * (high - low)
    np.testing.assert_allclose(got, want, rtol=1e-3)


def test_random_draws_follow_the_density_too():
    """Kolmogorov's statistic is above 2.5 / sqrt(n) once in 130,000 seeds."""
    num, low, high = 20_000, -3.3, 2.2
    u = jax.random.uniform(jax.random.key(0), (num,))
    log_snr, _ = snr_history.draw(filled(UNEVEN), u, jnp.array(low), jnp.array(high))
    share = density_of_std(UNEVEN, low, high) * widths(low, high)
    cumulative = np.concatenate([[0.0], np.cumsum(share)])
    at = np.interp(np.sort(log_snr), np.clip(EDGES, low, high), cumulative)
    distance = np.abs(at - (np.arange(num) + 0.5) / num).max()
    assert distance < 2.5 / np.sqrt(num)


@pytest.mark.parametrize("low, high", [WHOLE, (-3.3, 2.2)])
def test_density_is_proportional_to_the_spread_with_an_even_share(low, high):
    log_snr, density = draw(filled(UNEVEN), low, high)
    # Away from the edges, next to which rounding decides.
    inside = np.abs((log_snr + 4.0) / 0.5 % 1.0 - 0.5) < 0.49
    place = ((log_snr + 4.0) / 0.5).astype(int)
    want = density_of_std(UNEVEN, low, high)[place]
    np.testing.assert_allclose(density[inside], want[inside], rtol=2e-3)


def test_no_log_snr_is_ever_given_up():
    _, density = draw(filled(np.where(np.arange(NUM_BINS) == 7, 4.0, 0.0)))
    np.testing.assert_allclose(density.min(), 0.1 / 10.0, rtol=0.05)
    np.testing.assert_allclose(density.max(), 0.9 / 0.5 + 0.1 / 10.0, rtol=0.01)


def test_density_is_even_until_most_of_what_lies_inside_is_known():
    low, high = -3.3, 2.2  # Bins 1 to 12, of which the outer ones are in part inside.
    for known in ([], [0, *range(13, NUM_BINS)], [1, *range(3, 7)]):
        _, density = draw(filled(UNEVEN, bins=known), low, high)
        np.testing.assert_allclose(density, 1.0 / (high - low), rtol=1e-4)
    _, density = draw(filled(UNEVEN, bins=[1, *range(3, 9)]), low, high)
    assert density.max() > 2.0 * density.min()


def test_a_bin_not_yet_known_counts_as_much_as_the_largest_known():
    low, high = -3.3, 2.2
    missing = [3, 9]
    history = filled(UNEVEN, bins=[k for k in range(NUM_BINS) if k not in missing])
    log_snr, density = draw(history, low, high)
    std = UNEVEN.copy()
    std[missing] = max(UNEVEN[k] for k in range(1, 13) if k not in missing)
    inside = np.abs((log_snr + 4.0) / 0.5 % 1.0 - 0.5) < 0.49
    place = ((log_snr + 4.0) / 0.5).astype(int)
    want = density_of_std(std, low, high)[place]
    np.testing.assert_allclose(density[inside], want[inside], rtol=2e-3)


def test_a_bin_is_known_from_the_least_count_on():
    for num, is_known in ((2, False), (4, True)):
        _, density = draw(filled(UNEVEN, num=num))
        assert (density.max() > 1.5 * density.min()) == is_known


@pytest.mark.parametrize("missing", [(), (5,)])
def test_bins_outside_do_not_matter(missing):
    low, high = -3.3, 2.2
    louder = UNEVEN.copy()
    louder[[0, *range(13, NUM_BINS)]] = 1000.0
    known = [k for k in range(NUM_BINS) if k not in missing]
    want = draw(filled(UNEVEN, bins=known), low, high)
    inside = [k for k in known if 1 <= k <= 12]
    for history in (filled(louder, bins=known), filled(UNEVEN, bins=inside)):
        for a, b in zip(draw(history, low, high), want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_losses_without_spread_leave_the_density_even():
    zeros = jnp.zeros(NUM_BINS)
    history = SnrHistory(jnp.asarray(EDGES, jnp.float32), zeros + 9.0, zeros, zeros)
    _, density = draw(history)
    np.testing.assert_allclose(density, 0.1, rtol=1e-4)


@pytest.mark.parametrize("low, high", [WHOLE, (-3.3, 2.2), (-1.5, 4.0)])
def test_draws_stay_inside_at_the_ends_of_u(history, low, high):
    below_one = np.nextafter(np.float32(1.0), np.float32(0.0))
    # 1 as well: that is what 1 - u rounds to for a u next to 0.
    u = jnp.array([0.0, 1e-9, below_one, 1.0], jnp.float32)
    log_snr, density = snr_history.draw(history, u, jnp.array(low), jnp.array(high))
    assert np.all(np.isfinite(log_snr)) and np.all(density > 0.0)
    np.testing.assert_allclose(log_snr, [low, low, high, high], atol=1e-4)


def test_draw_is_compiled_once():
    traces = []

    @jax.jit
    def draw(*args):
        traces.append(1)
        return snr_history.draw(*args)

    u = jnp.linspace(0.0, 0.99, 8)
    for std in (UNEVEN, UNEVEN[::-1]):
        for low in (-4.0, -3.3):
            draw(filled(std), u, jnp.float32(low), HIGH)
    assert len(traces) == 1
