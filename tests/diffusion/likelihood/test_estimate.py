"""Means, the variances of means, and halves of draws, against numpy."""

import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood import estimate
from ddpm_jax.diffusion.likelihood.elbo import Terms


def draws(num, batch=3):
    return np.random.default_rng(num).standard_normal((num, batch))


@pytest.mark.parametrize("num", [2, 5])
def test_the_variance_is_that_of_the_mean_and_unbiased(num):
    values = draws(num)
    mean, variance = estimate.mean_and_variance(jnp.asarray(values))
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-5)
    wanted = np.var(values, axis=0, ddof=1) / num
    np.testing.assert_allclose(variance, wanted, rtol=1e-5)


def test_one_draw_has_a_mean_and_no_variance():
    values = draws(1)
    mean, variance = estimate.mean_and_variance(jnp.asarray(values))
    np.testing.assert_allclose(mean, values[0], rtol=1e-6)
    assert variance.shape == (3,) and np.all(np.isnan(variance))


def test_halves_are_the_first_and_the_second_and_none_of_an_odd_number():
    values = draws(6)
    halves = estimate.halves_of(jnp.asarray(values))
    wanted = [values[:3].mean(axis=0), values[3:].mean(axis=0)]
    np.testing.assert_allclose(halves, wanted, rtol=1e-5)
    odd = estimate.halves_of(jnp.asarray(draws(3)))
    assert odd.shape == (2, 3) and np.all(np.isnan(odd))


def test_the_terms_of_the_bound_are_terms_and_add_up():
    terms = Terms(*(jnp.full(2, value) for value in (1.0, 20.0, 300.0)))
    assert isinstance(terms, estimate.Terms)
    np.testing.assert_array_equal(terms.total, [321.0, 321.0])
