import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian, predictions, schedules
from ddpm_jax.diffusion.process.predictions import PREDICTIONS

NUM_STEPS = 1000
PARAMETERIZATIONS = {name: choice.default() for name, choice in PREDICTIONS.items()}
SCHEDULES = {
    "linear_beta": schedules.linear_beta(NUM_STEPS),
    "rescaled": schedules.linear_beta(NUM_STEPS, 1e-3, 0.03, rescale=True),
    "quadratic_beta": schedules.quadratic_beta(NUM_STEPS, 1e-4, 0.02),
    "cosine_beta": schedules.cosine_beta(NUM_STEPS),
    "sigmoid_beta": schedules.sigmoid_beta(NUM_STEPS, 1e-4, 0.02),
    "constant_beta": schedules.constant_beta(NUM_STEPS, 0.01),
    "from_betas": schedules.from_betas(np.geomspace(1e-4, 0.03, NUM_STEPS)),
    "cosine": schedules.cosine(-10.0, 10.0),
    "linear_log_snr": schedules.linear_log_snr(-10.0, 10.0),
}
SHAPE = (16, 2, 2, 3)
every_kind = pytest.mark.parametrize("kind", PARAMETERIZATIONS)


def normal(seed, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), float)


@functools.cache
def neighbours(schedule_name, x64):
    """Levels of log SNR -> those of the latent before the nearest one, and of that."""
    schedule = SCHEDULES[schedule_name]

    @jax.jit
    def at(levels):
        k = jnp.round(schedule.inverse(levels) * (NUM_STEPS - 1))
        before = schedule.log_snr(jnp.maximum(k - 1, 0) / (NUM_STEPS - 1))
        # Before the first latent lies the data itself.
        l_s = jnp.where(k == 0, jnp.inf, before)
        return l_s, schedule.log_snr(k / (NUM_STEPS - 1))

    return at


@jax.jit
def round_trip_errors(x, eps, l_s, l_t):
    """Largest errors of a -> (x, eps) -> b -> (x, eps) -> a, raw and in z_t's units.

    A value is worth as many digits as z_t has: where sigma is 0.007, an eps computed
    from z_t and x has lost 2 of float32's 7 digits, whatever the formula, but sigma eps
    has not. In the units of z_t the error of x counts alpha times, that of eps sigma
    times, and the others' as follows from theirs.
    """
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(l_t))
    alpha_s, _ = gaussian.alpha_sigma(gaussian.per_example(l_s))
    units = {
        "eps": sigma,
        "x": alpha,
        "v": alpha * sigma,
        "score": sigma**2,
        "mean": alpha / alpha_s,
    }
    z_t = gaussian.diffuse(x, eps, l_t)
    raw, in_units = {}, {}
    for a in PARAMETERIZATIONS:
        first = PARAMETERIZATIONS[a].value(x, eps, l_s, l_t)
        estimates = PARAMETERIZATIONS[a].estimates(first, z_t, l_s, l_t)
        for b in PARAMETERIZATIONS:
            second = PARAMETERIZATIONS[b].value(*estimates, l_s, l_t)
            back = PARAMETERIZATIONS[a].value(
                *PARAMETERIZATIONS[b].estimates(second, z_t, l_s, l_t), l_s, l_t
            )
            raw[a, b] = jnp.max(jnp.abs(back - first))
            in_units[a, b] = jnp.max(jnp.abs(back - first) * units[a])
        for name, got, want in zip(("x", "eps"), estimates, (x, eps), strict=True):
            raw[a, "to " + name] = jnp.max(jnp.abs(got - want))
            in_units[a, "to " + name] = jnp.max(jnp.abs(got - want) * units[name])
    return raw, in_units


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
@given(
    levels=st.lists(st.floats(-10.0, 10.0), min_size=16, max_size=16),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=10, deadline=None, derandomize=True)
def test_round_trips_among_all_kinds(name, x64, levels, seed):
    with jax.enable_x64(x64):
        l_s, l_t = neighbours(name, x64)(jnp.asarray(levels, float))
        raw, in_units = round_trip_errors(normal(seed), normal(seed + 1), l_s, l_t)
        for pair, error in (raw if x64 else in_units).items():
            assert error < (1e-8 if x64 else 3e-4), pair


def log_density(z, x, log_snr):
    """log q(z | x) up to a constant, with alpha and sigma by their definition."""
    alpha, variance = (1 + jnp.exp(-log_snr)) ** -0.5, 1 / (1 + jnp.exp(log_snr))
    return -0.5 * jnp.sum(jnp.square(z - alpha * x)) / variance


def test_targets_are_what_their_names_say():
    with jax.enable_x64(True):
        x, eps = normal(0), normal(1)
        l_s, l_t = jnp.linspace(-6.0, 9.0, 16), jnp.linspace(-8.0, 8.5, 16)
        z_t = gaussian.diffuse(x, eps, l_t)
        score = jax.vmap(jax.grad(log_density))(z_t, x, l_t)
        alpha = np.sqrt(1 / (1 + np.exp(-l_t))).reshape(-1, 1, 1, 1)
        sigma = np.sqrt(1 / (1 + np.exp(l_t))).reshape(-1, 1, 1, 1)
        want = {
            "eps": eps,
            "x": x,
            "v": alpha * eps - sigma * x,
            "score": score,
            "mean": gaussian.posterior_mean(
                x, eps, gaussian.per_example(l_s), gaussian.per_example(l_t)
            ),
        }
        assert want.keys() == PARAMETERIZATIONS.keys()
        for kind, target in want.items():
            got = PARAMETERIZATIONS[kind].value(x, eps, l_s, l_t)
            np.testing.assert_allclose(got, target, rtol=1e-9, atol=1e-9, err_msg=kind)


def test_the_mean_before_the_first_latent_is_the_data():
    x, eps, l_t = normal(0), normal(1), jnp.linspace(-9.0, 9.0, 16)
    l_s, z_t = jnp.full(16, jnp.inf), gaussian.diffuse(x, eps, l_t)
    np.testing.assert_array_equal(PARAMETERIZATIONS["mean"].value(x, eps, l_s, l_t), x)
    x_hat, _ = PARAMETERIZATIONS["mean"].estimates(x, z_t, l_s, l_t)
    np.testing.assert_array_equal(x_hat, x)


@every_kind
def test_gradients_are_finite_with_and_without_a_latent_before(kind):
    x, eps = normal(0), normal(1)
    l_t = jnp.linspace(-20.0, 19.0, 16)
    for l_s in (jnp.full(16, jnp.inf), l_t + 0.01, l_t + 30.0):

        def total(x, eps, l_t, l_s=l_s):
            z_t = gaussian.diffuse(x, eps, l_t)
            value = PARAMETERIZATIONS[kind].value(x, eps, l_s, l_t)
            x_hat, eps_hat = PARAMETERIZATIONS[kind].estimates(
                jnp.sin(value), z_t, l_s, l_t
            )
            return jnp.sum(x_hat) + jnp.sum(jnp.sin(eps_hat))

        for gradient in jax.jit(jax.grad(total, argnums=(0, 1, 2)))(x, eps, l_t):
            assert np.all(np.isfinite(gradient))


def test_another_estimate_of_x_keeps_the_latent_and_the_same_one_every_bit():
    x, eps, other = normal(0), normal(1), normal(2)
    log_snr = jnp.linspace(-6.0, 6.0, 16)
    prediction = Prediction(x=x, eps=eps, variance_fraction=jnp.float32(0.25))
    moved = predictions.with_x(prediction, other, log_snr)
    np.testing.assert_array_equal(moved.x, other)
    assert moved.variance_fraction == 0.25
    alpha, sigma = 1 / np.sqrt(1 + np.exp(-log_snr)), 1 / np.sqrt(1 + np.exp(log_snr))
    z_t, again = (
        alpha[:, None, None, None] * p.x + sigma[:, None, None, None] * p.eps
        for p in (prediction, moved)
    )
    np.testing.assert_allclose(again, z_t, atol=1e-5)
    same = predictions.with_x(prediction, x, log_snr)
    np.testing.assert_array_equal(same.eps, eps)
