import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process import betas, gaussian, schedules

# Each schedule by its number of steps. The continuous ones have no number.
FACTORIES = {
    "linear": schedules.linear_beta,
    "rescaled": lambda n: schedules.linear_beta(n, rescale=True),
    "quadratic": lambda n: schedules.quadratic_beta(n, 1e-4, 0.02),
    "cosine_beta": schedules.cosine_beta,
    "sigmoid": lambda n: schedules.sigmoid_beta(n, 1e-4, 0.02),
    "constant": lambda n: schedules.constant_beta(n, 5e-3),
    "table": lambda n: schedules.from_betas(np.geomspace(0.03, 1e-3, n)),
}
SCHEDULES = {
    f"{name}_{num_steps}": factory(num_steps)
    for name, factory in FACTORIES.items()
    for num_steps in (2, 1000)
    if not (name == "rescaled" and num_steps == 2)
} | {
    "linear_10": schedules.linear_beta(10),
    "cosine_beta_4000": schedules.cosine_beta(4000),
    "cosine": schedules.cosine(-10.0, 10.0),
    "cosine_wide": schedules.cosine(-20.0, 20.0),
    "cosine_lopsided": schedules.cosine(-3.0, 13.3),
    "linear_log_snr": schedules.linear_log_snr(-5.0, 13.3),
}
every_schedule = pytest.mark.parametrize("name", SCHEDULES)
both_dtypes = pytest.mark.parametrize("x64", [False, True])


def with_derivative(function, at):
    return jax.jvp(function, (at,), (jnp.ones_like(at),))


class Measured(NamedTuple):
    """A schedule at 501 times, and its inverse at 501 even levels of log SNR."""

    t: Any
    log_snr: Any
    slope: Any
    t_back: Any
    levels: Any
    t_of_levels: Any
    inverse_slope: Any
    levels_back: Any
    slope_at_levels: Any


@functools.cache
def measure(name, x64):
    schedule = SCHEDULES[name]

    @jax.jit
    def all_at_once(t):
        log_snr, slope = with_derivative(schedule.log_snr, t)
        levels = log_snr[0] * (1.0 - t) + log_snr[-1] * t
        t_of_levels, inverse_slope = with_derivative(schedule.inverse, levels)
        levels_back, slope_at_levels = with_derivative(schedule.log_snr, t_of_levels)
        return Measured(
            t,
            log_snr,
            slope,
            schedule.inverse(log_snr),
            levels,
            t_of_levels,
            inverse_slope,
            levels_back,
            slope_at_levels,
        )

    with jax.enable_x64(x64):
        return jax.tree.map(np.asarray, all_at_once(jnp.linspace(0.0, 1.0, 501)))


@every_schedule
@both_dtypes
def test_decreasing_variance_preserving_and_of_its_inputs_dtype(name, x64):
    m = measure(name, x64)
    assert m.log_snr.dtype == m.t.dtype == m.t_back.dtype
    assert m.t.dtype == (jnp.float64 if x64 else jnp.float32)
    assert np.all(np.diff(m.log_snr) < 0)
    assert np.all(m.slope < 0)
    with jax.enable_x64(x64):
        alpha, sigma = gaussian.alpha_sigma(jnp.asarray(m.log_snr))
        np.testing.assert_allclose(alpha**2 + sigma**2, 1.0, rtol=1e-6)


@pytest.mark.parametrize("num_steps", [21, 1000, 4000])
@pytest.mark.parametrize("name", FACTORIES)
def test_each_step_of_the_model_is_below_the_one_before(name, num_steps):
    t = jnp.arange(num_steps) / (num_steps - 1)
    assert np.all(np.diff(FACTORIES[name](num_steps).log_snr(t)) < 0)


def table_by_definition(name, n):
    k = np.arange(n) / (n - 1)
    return {
        "linear": 1e-4 + k * (0.02 - 1e-4),
        "rescaled": (1e-4 + k * (0.02 - 1e-4)) * 1000 / n,
        "quadratic": (0.01 + k * (np.sqrt(0.02) - 0.01)) ** 2,
        "sigmoid": 1e-4 + (0.02 - 1e-4) / (1 + np.exp(6 - 12 * k)),
        "constant": np.full(n, 5e-3),
        "table": np.geomspace(0.03, 1e-3, n),
    }[name]


@pytest.mark.parametrize("num_steps", [2, 1000, 4000])
@pytest.mark.parametrize("name", sorted(FACTORIES.keys() - {"cosine_beta"}))
def test_on_the_grid_it_is_the_running_product_of_1_minus_beta(name, num_steps):
    if name == "rescaled" and num_steps < 21:
        num_steps = 21
    alpha_bar = np.cumprod(1 - table_by_definition(name, num_steps))
    want = np.log(alpha_bar / (1 - alpha_bar))
    t = np.arange(num_steps) / (num_steps - 1)
    schedule = FACTORIES[name](num_steps)
    with jax.enable_x64(True):
        got = schedule.log_snr(jnp.asarray(t))
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)
    got = schedule.log_snr(jnp.asarray(t, jnp.float32))
    np.testing.assert_allclose(got, want, rtol=1.2e-7, atol=1e-7)


@pytest.mark.parametrize(
    "schedule, first, final",
    [
        # Ends of DDPM's and improved DDPM's tables, known to the digits given.
        (schedules.linear_beta(1000), 9.21, -10.12),
        (schedules.cosine_beta(4000), 11.53, -22.6),
    ],
)
def test_the_published_ends(schedule, first, final):
    np.testing.assert_allclose(schedule.log_snr(jnp.float32(0.0)), first, atol=0.01)
    np.testing.assert_allclose(schedule.log_snr(jnp.float32(1.0)), final, atol=0.01)


@every_schedule
def test_derivative_is_that_of_finite_differences(name):
    m, step = measure(name, x64=True), 1e-7
    with jax.enable_x64(True):
        log_snr, t = SCHEDULES[name].log_snr, jnp.asarray(m.t[1:-1])
        by_differences = (log_snr(t + step) - log_snr(t - step)) / (2 * step)
    # A step of 1e-7 across a grid point meets two second derivatives.
    np.testing.assert_allclose(m.slope[1:-1], by_differences, rtol=2e-4)


@every_schedule
@both_dtypes
def test_inverse_after_log_snr_is_the_identity(name, x64):
    m = measure(name, x64)
    # In units of what the rounding of t and of log_snr alone can do.
    error = np.abs(m.t_back - m.t) / (1.0 + np.abs(m.log_snr / m.slope))
    assert np.max(error) <= 4 * np.finfo(m.t.dtype).eps


@every_schedule
@both_dtypes
def test_log_snr_after_inverse_is_the_identity(name, x64):
    m = measure(name, x64)
    assert np.all((m.t_of_levels >= 0.0) & (m.t_of_levels <= 1.0))
    error = np.abs(m.levels_back - m.levels)
    rounding = np.abs(m.slope_at_levels) + np.abs(m.levels).max()
    assert np.max(error / rounding) <= 4 * np.finfo(m.t.dtype).eps


@every_schedule
def test_slope_of_the_inverse_is_the_reciprocal(name):
    m = measure(name, x64=True)
    product = (m.inverse_slope * m.slope_at_levels)[1:-1]
    np.testing.assert_allclose(product, 1.0, rtol=1e-6)


@every_schedule
def test_inverse_beyond_the_ends_is_0_or_1(name):
    inverse = SCHEDULES[name].inverse
    np.testing.assert_array_equal(inverse(jnp.asarray([99.0, -99.0])), [0.0, 1.0])


@pytest.mark.parametrize("name", ["linear_1000", "cosine", "linear_log_snr"])
def test_the_same_uncompiled_batched_and_for_any_shape(name):
    m, schedule = measure(name, x64=False), SCHEDULES[name]
    # Another order of rounding, in t and in the result.
    tolerance = 2e-7 * (np.abs(m.slope) + np.abs(m.log_snr))
    t = jnp.asarray(m.t[1:].reshape(20, 25))
    for log_snr in (schedule.log_snr(t), jax.vmap(schedule.log_snr)(t)):
        assert np.all(np.abs(log_snr.ravel() - m.log_snr[1:]) <= tolerance[1:])


@pytest.mark.parametrize("end", [10.0, 20.0, 40.0])
def test_cosine_is_accurate_in_float32_at_both_ends(end):
    # Times close to the ends, as float32 holds them, through float64's tangent.
    near = np.array([0.0, 1e-7, 1e-4, 0.01, 0.5], np.float32)
    t = np.concatenate([near, 1 - near])
    first = np.arctan(np.exp(-end / 2))
    with np.errstate(all="ignore"):
        angle = first + np.minimum(t, 1 - t).astype(np.float64) * (
            np.pi / 2 - 2 * first
        )
    want = np.where(t <= 0.5, -2.0, 2.0) * np.log(np.tan(angle))
    got = schedules.cosine(-end, end).log_snr(jnp.asarray(t))
    np.testing.assert_allclose(got, want, rtol=5e-7, atol=5e-7)


def test_uncut_cosine_is_the_cosine_of_time():
    t = np.linspace(0.05, 0.95, 19)
    schedule = schedules.cosine(-40.0, 40.0)
    alpha, sigma = gaussian.alpha_sigma(schedule.log_snr(jnp.asarray(t, jnp.float32)))
    np.testing.assert_allclose(alpha, np.cos(0.5 * np.pi * t), rtol=2e-6)
    np.testing.assert_allclose(sigma, np.sin(0.5 * np.pi * t), rtol=2e-6)


@pytest.mark.parametrize("factory", [schedules.cosine, schedules.linear_log_snr])
def test_continuous_schedules_end_where_they_were_told(factory):
    schedule = factory(-5.0, 13.3)
    np.testing.assert_allclose(
        schedule.log_snr(jnp.asarray([0.0, 1.0])), [13.3, -5.0], rtol=3e-7
    )


@pytest.mark.parametrize("factory", [schedules.cosine, schedules.linear_log_snr])
@pytest.mark.parametrize(
    "low, high", [(1.0, 1.0), (2.0, -2.0), (-np.inf, 1.0), (-1.0, np.nan), (-99.0, 9.0)]
)
def test_bad_ends_are_named_with_their_values(factory, low, high):
    with pytest.raises(ValueError) as error:
        factory(low, high)
    assert f"log_snr_min={low}" in str(error.value)
    assert f"log_snr_max={high}" in str(error.value)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: schedules.linear_beta(1), "num_steps=1: .*at least 2"),
        (lambda: schedules.linear_beta(10, rescale=True), "steps that work are 21"),
        (lambda: schedules.from_betas(np.array([0.5, 1.0])), r"betas\[1\] = 1.0"),
        (lambda: schedules.constant_beta(1000, 0.5), "log SNR .* -693.1.*fewer steps"),
        (lambda: schedules.constant_beta(10, 1e-40), "log SNR 92.1"),
    ],
)
def test_a_table_that_cannot_work_is_refused_at_once(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_from_betas_is_what_the_named_tables_go_through():
    t = jnp.linspace(0.0, 1.0, 33)
    table = betas.sigmoid(50, 1e-4, 0.02, 3.0)
    np.testing.assert_array_equal(
        schedules.from_betas(table).log_snr(t),
        schedules.sigmoid_beta(50, 1e-4, 0.02, sharpness=3.0).log_snr(t),
    )
