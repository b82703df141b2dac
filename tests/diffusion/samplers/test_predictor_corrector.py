"""Langevin corrections by hand, and what they do to a distribution."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.samplers import predictor_corrector
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

NUM = 6
MODEL = exact.SMOOTH.diffusion(exact.COSINE)
TIMES = (1.0, 0.7, 0.3, 0.0)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def start(num: int = NUM, shape=exact.SMOOTH.shape) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((num, *shape))


def noise(keys: jax.Array, number: int, shape=exact.SMOOTH.shape) -> np.ndarray:
    return np.asarray(closed_form.noise(keys, number, shape, jnp.float64))


def by_hand(keys: jax.Array, snr: float, num_corrections: int) -> np.ndarray:
    """Algorithm 5 of arXiv:2011.13456 after each step of ancestral sampling."""
    ask, z, number = exact.Asked(MODEL), start(), 0
    for t, s in itertools.pairwise(TIMES):
        (alpha_t, sigma_t), (alpha_s, sigma_s) = (
            exact.alpha_sigma(ask.log_snr(at)) for at in (t, s)
        )
        number += 1
        x, _ = ask(z, t)
        # q(z_s | z_t, x), by precisions: of z_s given x, and of z_t given z_s.
        ratio = alpha_t / alpha_s
        forward = sigma_t**2 - ratio**2 * sigma_s**2
        variance = 1.0 / (1.0 / sigma_s**2 + ratio**2 / forward)
        mean = variance * (alpha_s * x / sigma_s**2 + ratio * z / forward)
        z = mean + np.sqrt(variance) * noise(keys, number)
        for _ in range(num_corrections):
            number += 1
            drawn = noise(keys, number)
            score = -ask(z, s)[1] / sigma_s
            norms = [
                np.sqrt(np.sum(a**2, axis=(1, 2, 3), keepdims=True))
                for a in (drawn, score)
            ]
            length = 2.0 * (snr * norms[0] / norms[1]) ** 2
            z = z + length * score + np.sqrt(2.0 * length) * drawn
    return z


@pytest.mark.parametrize("num_corrections", [1, 2])
def test_it_is_that_of_the_paper(num_corrections, monkeypatch):
    # Two numbers are enough to tell formulas apart.
    monkeypatch.setattr(predictor_corrector, "FEWEST", 2)
    sampler = predictor_corrector.make(0.16, num_corrections)
    keys = exact.keys(NUM)
    found = exact.follow(MODEL, sampler, jnp.array(TIMES), jnp.asarray(start()), keys)
    np.testing.assert_allclose(found.z, by_hand(keys, 0.16, num_corrections), rtol=1e-8)


def test_an_image_depends_on_its_own_key_and_latent_alone():
    sampler, keys = predictor_corrector.make(), exact.keys(NUM)
    times, z = jnp.array(TIMES), jnp.asarray(start())
    together = exact.follow(MODEL, sampler, times, z, keys).z
    # The same two beside others that are far away.
    others = z.at[2:].mul(50.0), keys.at[2:].set(exact.keys(NUM - 2, seed=1))
    changed = exact.follow(MODEL, sampler, times, *others).z
    np.testing.assert_array_equal(changed[:2], together[:2])
    assert np.all(changed[2:] != together[2:])


SHAPE = (4, 4, 4)  # So many dimensions that norms vary little.
STD = 0.5


def wide(log_snr=exact.COSINE):
    """The best model of N(0, STD^2 I) images."""
    size = int(np.prod(SHAPE))
    return closed_form.correlated_data(log_snr, np.zeros(SHAPE), STD**2 * np.eye(size))


def corrected(z: np.ndarray, t: float, snr: float, num: int) -> np.ndarray:
    """After so many corrections at t, and no step to speak of."""
    sampler = predictor_corrector.make(snr, num)
    times = jnp.array([t + 1e-9, t])
    keys = exact.keys(len(z))
    return np.asarray(exact.follow(wide(), sampler, times, jnp.asarray(z), keys).z)


def variance_at(t: float) -> float:
    alpha, sigma = exact.alpha_sigma(exact.Asked(wide()).log_snr(t))
    return alpha**2 * STD**2 + sigma**2


def test_small_corrections_leave_the_distribution_as_it_is():
    """Up to the norms: each of the two in a move's length widens it by 2 / dims.

    |score|^2 below, as the stationary density is p |score|^2; |noise|^2 above, as
    E |noise|^4 = dims (dims + 2). With r = 0.05 moves overshoot by r^2 more.
    """
    t, num, snr = 0.5, 256, 0.05
    variance = variance_at(t)
    z = np.sqrt(variance) * start(num, SHAPE)
    found = corrected(z, t, snr, 400)
    # As far from where they were as strangers are: 2 / sqrt(pi) of a deviation.
    assert np.abs(found - z).mean() > 0.9 * np.sqrt(variance)
    dims = np.prod(SHAPE)
    expected = variance * (1.0 + 2.0 / dims) ** 2 / (1.0 - snr**2)
    assert abs(found.var() / expected - 1.0) < 5 * np.sqrt(2.0 / found.size)
    assert abs(found.mean()) < 5 * np.sqrt(variance / found.size)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_corrections_pull_a_wrong_start_to_the_right_moments(scale):
    t, num = 0.5, 128
    std = np.sqrt(variance_at(t))
    z = scale * std * start(num, SHAPE) + std
    distances = []
    for moves in (1, 10, 300):
        found = corrected(z, t, 0.2, moves)
        distances.append((abs(found.mean()) / std, abs(np.log(found.std() / std))))
    assert np.all(np.diff(distances, axis=0) < 0.0)
    np.testing.assert_array_less(distances[-1], (0.06, 0.08))


def test_of_points_on_a_line_moves_are_of_the_expected_length_and_leave_it_as_it_is():
    """By norms, a score near 0 would send some far away, at any number of corrections."""
    model = closed_form.correlated_data(
        exact.COSINE, np.zeros((1, 1, 1)), STD**2 * np.eye(1)
    )
    t, num, snr = 0.5, 20_000, 0.2
    alpha, sigma = exact.alpha_sigma(exact.Asked(model).log_snr(t))
    variance = alpha**2 * STD**2 + sigma**2
    z = np.sqrt(variance) * start(num, (1, 1, 1))
    found = exact.follow(
        model,
        predictor_corrector.make(snr, 30),
        jnp.array([t + 1e-9, t]),
        jnp.asarray(z),
        exact.keys(num),
    ).z
    # z <- (1 - 2 r^2 sigma^2 / variance) z + 2 r sigma noise.
    shrunk = 1.0 - 2.0 * snr**2 * sigma**2 / variance
    stationary = (2.0 * snr * sigma) ** 2 / (1.0 - shrunk**2)
    expected = stationary + (variance - stationary) * shrunk**60
    assert abs(found.var() / expected - 1.0) < 5.0 * np.sqrt(2.0 / num)
    assert abs(expected / variance - 1.0) < 0.05
    assert np.abs(found).max() < 6.0 * np.sqrt(variance)


def test_the_first_time_is_not_corrected():
    """One step without corrections draws the same numbers as ancestral sampling."""
    plan = predictor_corrector.make(0.16, 2).plan(exact.COSINE, jnp.array(TIMES))
    np.testing.assert_array_equal(plan.corrects, [False, True, True] * 3)
    np.testing.assert_allclose(plan.t, np.delete(np.repeat(TIMES, 3), [1, 2, -1]))


def test_a_score_of_zero_gives_no_nan():
    """The length of a move has no value then."""
    z = jnp.zeros((2, *exact.SMOOTH.shape))
    model = closed_form.answering(exact.COSINE, x=z, eps=z)
    found = exact.follow(
        model, predictor_corrector.make(), jnp.array([0.6, 0.5]), z, exact.keys(2)
    )
    assert np.all(np.isfinite(found.z))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr": 0.0}, r"snr = 0.0: write a number in \(0, 1\)"),
        ({"snr": 1.0}, "snr = 1.0"),
        ({"snr": float("nan")}, "snr = nan"),
        ({"num_corrections": 0}, "num_corrections = 0: write 1 or more"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ValueError, match=message):
        predictor_corrector.make(**options)
