"""Integrals, weights and plans of the samplers that integrate x_hat in half log SNR."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from ddpm_jax.diffusion.samplers import exponential
from tests.diffusion.samplers import exact

# kappa h, from steps of a fine grid to the longest, and where the formula changes.
LENGTHS = np.array(
    [1e-6, 1e-3, 0.1, 0.7, 0.999999, 1.0, 1.000001, 1.5, 4.0, 12.0, 30.0]
)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def integral(x: float, k: int) -> float:
    value, _ = scipy.integrate.quad(
        lambda v: x * np.exp(-x * (1.0 - v)) * v**k, 0.0, 1.0, epsabs=0, epsrel=1e-13
    )
    return value


INTEGRALS = np.array([[integral(x, k) for x in LENGTHS] for k in range(4)])


@pytest.mark.parametrize(("x64", "rtol"), [(True, 1e-12), (False, 2e-6)])
def test_moments_are_the_integrals(x64, rtol):
    with jax.enable_x64(x64):
        found = exponential.moments(jnp.asarray(LENGTHS), 4)
        assert found.dtype == (jnp.float64 if x64 else jnp.float32)
    np.testing.assert_allclose(found, INTEGRALS, rtol=rtol)


@pytest.mark.parametrize("num", [1, 2, 3, 4])
def test_weights_solve_the_vandermonde_system(num):
    """For nodes of steps that shrink, grow and include the step's own end."""
    nodes = np.array([[1.0, 0.0, -0.6, -2.0], [0.0, -1.0, -2.0, -3.0]])[:, :num].T
    moments = exponential.moments(jnp.array([0.05, 3.0]), num)
    found = exponential.weights(jnp.asarray(nodes), moments)
    for i in range(2):
        system = np.vander(nodes[:, i], increasing=True).T
        expected = np.linalg.solve(system, moments[:, i])
        np.testing.assert_allclose(found[:, i], expected, rtol=1e-12, atol=1e-15)


def test_weights_integrate_a_polynomial_through_its_values():
    nodes = np.array([0.0, -0.3, -1.7])
    polynomial = np.polynomial.Polynomial([0.4, -1.1, 2.3])
    x = 2.5
    moments = exponential.moments(jnp.array(x), 3)
    found = exponential.weights(jnp.asarray(nodes), moments)
    value, _ = scipy.integrate.quad(
        lambda v: x * np.exp(-x * (1.0 - v)) * polynomial(v), 0.0, 1.0, epsrel=1e-13
    )
    np.testing.assert_allclose(np.dot(found, polynomial(nodes)), value, rtol=1e-12)


def test_short_steps_lose_no_digits_of_the_weights():
    """In float32: as kappa h goes to 0 the weights over it go to Adams and Bashforth's."""
    h, nodes = jnp.float32(1e-5), jnp.array([0.0, -1.0, -2.0], jnp.float32)
    found = exponential.weights(nodes, exponential.moments(h, 3))
    assert found.dtype == jnp.float32
    expected = np.array([23.0, -16.0, 5.0]) / 12.0
    np.testing.assert_allclose(found / h, expected, rtol=3e-5)


def test_halved_moments_are_the_first_and_half_of_it():
    found = exponential.halved_moments(jnp.array([[0.4, 0.6], [0.1, 0.2], [0.0, 0.1]]))
    np.testing.assert_allclose(found, [[0.4, 0.6], [0.2, 0.3]], rtol=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_step_keeps_the_marginals(eta):
    """With x_hat = x all along, it leads from q(z_t | x) to q(z_s | x)."""
    log_snr_t, log_snr_s = np.array([-9.0, -1.0, 3.0]), np.array([-8.5, 4.0, 3.1])
    step = exponential.step(jnp.asarray(log_snr_t), jnp.asarray(log_snr_s), eta)
    h = 0.5 * (log_snr_s - log_snr_t)
    (share,) = exponential.moments(jnp.asarray((1.0 + eta) * h), 1)
    alpha_t, sigma_t = exact.alpha_sigma(log_snr_t)
    alpha_s, sigma_s = exact.alpha_sigma(log_snr_s)
    np.testing.assert_allclose(
        step.keep * alpha_t + step.scale * share, alpha_s, rtol=1e-12
    )
    np.testing.assert_allclose(
        (step.keep * sigma_t) ** 2 + step.std**2, sigma_s**2, rtol=1e-12
    )
    assert np.all((step.std == 0.0) == (eta == 0.0))


def test_previous_values_stand_where_their_times_do():
    lambdas = np.array([-5.0, -4.0, -2.0, 1.0])
    found = exponential.previous_nodes(jnp.asarray(lambdas), jnp.diff(lambdas), 3)
    assert found.shape == (3, 3)
    np.testing.assert_array_equal(found[0], 0.0)
    np.testing.assert_allclose(found[1, 1:], [-1.0 / 2.0, -2.0 / 3.0])
    np.testing.assert_allclose(found[2, 2], -3.0 / 3.0)
    # Where there is none, all the same distinct ones: no division by 0 in the weights.
    assert np.all(np.diff(found, axis=0) < 0.0)


@pytest.mark.parametrize(
    ("num_steps", "order", "lower_final", "expected"),
    [
        (6, 3, True, [1, 2, 3, 3, 2, 1]),
        (6, 3, False, [1, 2, 3, 3, 3, 3]),
        (5, 2, True, [1, 2, 2, 2, 1]),
        (4, 1, True, [1, 1, 1, 1]),
        (3, 3, True, [1, 2, 1]),
        (2, 3, True, [1, 1]),
        (1, 3, False, [1]),
    ],
)
def test_orders_of_the_first_and_last_steps(num_steps, order, lower_final, expected):
    found = exponential.step_orders(num_steps, order, lower_final)
    np.testing.assert_array_equal(found, expected)


def test_weights_by_order_leave_out_what_is_not_used():
    nodes = jnp.broadcast_to(jnp.array([[0.0], [-0.5], [-1.5]]), (3, 3))
    moments = exponential.moments(jnp.full(3, 0.8), 3)
    found = exponential.weights_by_order(nodes, moments, np.array([1, 2, 3]))
    first = moments[0, 0]
    np.testing.assert_allclose(found[:, 0], [first, 0.0, 0.0], rtol=1e-6)
    # 2M: a line through both values, followed to the middle of the step.
    by_line = [first * (1.0 + 1.0 / (2.0 * 0.5)), -first / (2.0 * 0.5), 0.0]
    np.testing.assert_allclose(found[:, 1], by_line, rtol=1e-6)
    exactly = exponential.weights(nodes[:, 2], moments[:, 2])
    np.testing.assert_allclose(found[:, 2], exactly, rtol=1e-6)
