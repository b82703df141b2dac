import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from ddpm_jax.diffusion.process import monotone_curve

# Secants of very different size: the curve has to bend hard and may not turn back. Of
# two lengths, because each new one compiles again.
decreasing_tables = st.sampled_from([2, 12]).flatmap(
    lambda n: st.lists(st.floats(1e-3, 10.0), min_size=n, max_size=n).map(
        lambda steps: 5.0 - np.cumsum([0.0, *steps])
    )
)


def grid(n, dtype):
    return jnp.asarray((np.arange(n) / (n - 1)).astype(dtype))


def slope(curve, t):
    return jax.jvp(curve, (t,), (jnp.ones_like(t),))[1]


@given(decreasing_tables)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_the_curve_falls_everywhere_and_is_never_flat(values):
    with jax.enable_x64(True):
        curve = monotone_curve.monotone_cubic(values)
        t = jnp.linspace(0.0, 1.0, 777)
        assert np.all(np.diff(curve(t)) < 0)
        assert np.all(slope(curve, t) < 0)


@pytest.mark.parametrize("n", [2, 1000, 4000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grid_points_give_the_table_exactly(n, dtype):
    rng = np.random.default_rng(n)
    # Steps of up to 3: without the snap, one rounding of t costs 4e-4 of a step.
    values = -np.cumsum(rng.uniform(0.01, 3.0, n))
    with jax.enable_x64(dtype == np.float64):
        curve = monotone_curve.monotone_cubic(values)
        np.testing.assert_array_equal(curve(grid(n, dtype)), values.astype(dtype))
        np.testing.assert_array_equal(
            jax.jit(curve)(grid(n, dtype)), values.astype(dtype)
        )


def test_between_grid_points_it_is_scipys_pchip():
    values = -np.cumsum(np.random.default_rng(0).uniform(1.0, 2.0, 20))
    reference = PchipInterpolator(np.linspace(0.0, 1.0, 20), values)
    with jax.enable_x64(True):
        t = jnp.linspace(0.0, 1.0, 1001)
        curve = monotone_curve.monotone_cubic(values)
        np.testing.assert_allclose(curve(t), reference(t), rtol=1e-12)
        np.testing.assert_allclose(slope(curve, t), reference(t, 1), rtol=1e-9)


def test_two_values_make_a_straight_line():
    with jax.enable_x64(True):
        curve = monotone_curve.monotone_cubic(np.array([3.0, -1.0]))
        t = jnp.linspace(0.0, 1.0, 11)
        np.testing.assert_allclose(curve(t), 3.0 - 4.0 * t, rtol=1e-12, atol=1e-14)


def test_an_end_whose_neighbour_is_steep_keeps_a_third_of_its_secant():
    # Secants -1 and -9: the parabola through the three would rise at t = 0.
    with jax.enable_x64(True):
        curve = monotone_curve.monotone_cubic(np.array([0.0, -1.0, -10.0]))
        np.testing.assert_allclose(slope(curve, jnp.zeros(1)), -2.0 / 3.0, rtol=1e-12)


def test_slope_on_the_grid_is_the_cubics_although_t_is_snapped():
    values = -np.cumsum(np.random.default_rng(1).uniform(1.0, 2.0, 1000))
    reference = PchipInterpolator(np.arange(1000) / 999, values)
    curve = monotone_curve.monotone_cubic(values)
    got = slope(curve, grid(1000, np.float32))
    np.testing.assert_allclose(got, reference(np.arange(1000) / 999, 1), rtol=1e-4)
    by_reverse_mode = jax.vmap(jax.grad(curve))(grid(1000, np.float32))
    np.testing.assert_allclose(by_reverse_mode, got, rtol=1e-6)


@given(decreasing_tables)
@settings(max_examples=10, deadline=None, derandomize=True)
def test_bisection_inverts_any_decreasing_curve(values):
    with jax.enable_x64(True):
        curve = monotone_curve.monotone_cubic(values)
        inverse = monotone_curve.inverse_of_decreasing(curve)
        t = jnp.linspace(0.0, 1.0, 777)
        # A rounding of the value, over the slope, is what no inverse can undo.
        conditioning = 4e-15 * np.abs(values).max() / np.abs(slope(curve, t))
        assert np.all(np.abs(inverse(curve(t)) - t) < 1e-15 + conditioning)


def test_inverse_beyond_the_ends_is_0_or_1_and_flat():
    curve = monotone_curve.monotone_cubic(np.array([3.0, 1.0, -1.0]))
    inverse = monotone_curve.inverse_of_decreasing(curve)
    beyond = jnp.asarray([99.0, 3.0, -1.0, -99.0, jnp.inf, -jnp.inf])
    np.testing.assert_array_equal(inverse(beyond), [0.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_array_equal(slope(inverse, beyond[:4]), np.zeros(4))


def test_slope_of_the_inverse_is_the_reciprocal():
    with jax.enable_x64(True):
        curve = monotone_curve.monotone_cubic(np.array([3.0, 2.5, -1.0, -4.0]))
        inverse = monotone_curve.inverse_of_decreasing(curve)
        t = jnp.linspace(0.05, 0.95, 7)
        np.testing.assert_allclose(
            slope(inverse, curve(t)), 1.0 / slope(curve, t), rtol=1e-9
        )
