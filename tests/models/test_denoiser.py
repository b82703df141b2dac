"""The denoiser: what its network's output comes to, of every prediction and variance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process import gaussian
from tests.models.test_build import simple_model_of


@pytest.mark.parametrize("prediction", ["eps", "x", "v", "score", "mean"])
@pytest.mark.parametrize("variance", ["posterior", "forward", "learned"])
def test_every_prediction_and_variance_gives_consistent_estimates(prediction, variance):
    _, model = simple_model_of(prediction=prediction, reverse_variance=variance)
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    t = jnp.array([0.0, 1 / 9, 5 / 9, 1.0])
    found = model.bind(params).denoise(z, t)
    again = gaussian.diffuse(found.x, found.eps, model.schedule.log_snr(t))
    np.testing.assert_allclose(again, z, atol=1e-4)
    assert found.variance_fraction.shape == (z.shape if variance == "learned" else ())
    assert np.all(np.isfinite(found.variance_fraction))


def test_the_mean_before_the_first_latent_is_the_data():
    _, model = simple_model_of(prediction="mean")
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    output = model.network.apply(
        {"params": params["net"]}, z, jnp.zeros(2), train=False
    )
    found = model.bind(params).denoise(z, jnp.zeros(2))
    np.testing.assert_allclose(found.x, output, rtol=1e-6)


def test_dropout_belongs_to_the_example():
    _, model = simple_model_of(model__unet__dropout=0.5)
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (6, 8, 8, 1))
    t, keys = jnp.linspace(0, 1, 6), jax.random.split(jax.random.key(2), 6)
    together = model.bind(params, keys).denoise(z, t).eps
    order = jnp.array([4, 0, 2])
    apart = model.bind(params, keys[order]).denoise(z[order], t[order]).eps
    np.testing.assert_allclose(apart, together[order], atol=1e-5)
    other = model.bind(params, keys[::-1]).denoise(z, t).eps
    assert np.max(np.abs(other - together)) > 1e-3
    still = model.bind(params).denoise(z, t).eps
    assert np.max(np.abs(still - together)) > 1e-3


def test_a_learned_variance_is_the_second_half_of_the_output_from_0_to_1():
    _, model = simple_model_of(reverse_variance="learned")
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    t = jnp.array([0.0, 1.0])
    output = model.network.apply({"params": params["net"]}, z, 9.0 * t, train=False)
    eps, head = jnp.split(output, 2, axis=-1)
    found = model.bind(params).denoise(z, t)
    np.testing.assert_allclose(found.eps, eps, rtol=1e-5, atol=1e-6)
    # A head of -1 is the posterior's variance, one of 1 the forward process's.
    wanted = (np.asarray(head, np.float64) + 1.0) / 2.0
    np.testing.assert_allclose(found.variance_fraction, wanted, rtol=1e-5, atol=1e-6)
