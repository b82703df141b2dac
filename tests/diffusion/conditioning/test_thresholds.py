"""x_hat cut to a range: by numpy, and z_t kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.conditioning import thresholds
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import gaussian, schedules

SHAPE = (16, 2, 2, 3)
CHAIN = schedules.linear_beta(1000)


def normal(seed, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), float)


def answering(prediction):
    return Diffusion(CHAIN.log_snr, lambda z_t, t: prediction)


@pytest.mark.parametrize("bound", [1.0, 0.25])
def test_clipping_bounds_x_and_keeps_z(bound):
    with jax.enable_x64(True):
        x, eps, t = normal(0), normal(1), jnp.linspace(0.0, 1.0, 16)
        fraction = jnp.full(SHAPE, 0.3)
        model = answering(Prediction(x, eps, fraction))
        log_snr = model.log_snr(t)
        z_t = gaussian.diffuse(x, eps, log_snr)
        clipped = thresholds.clipped(model, bound).denoise(z_t, t)
        np.testing.assert_array_equal(clipped.x, np.clip(x, -bound, bound))
        np.testing.assert_allclose(
            gaussian.diffuse(clipped.x, clipped.eps, log_snr), z_t, rtol=1e-12
        )
        untouched = np.abs(x) <= bound
        np.testing.assert_allclose(clipped.eps[untouched], eps[untouched], rtol=1e-9)
        np.testing.assert_array_equal(clipped.variance_fraction, fraction)
    assert thresholds.clipped(model).log_snr is model.log_snr


@pytest.mark.parametrize("quantile", [0.5, 0.9, 1.0])
def test_dynamic_clipping_is_numpys_quantile_of_each_image(quantile):
    with jax.enable_x64(True):
        # Sizes from far inside [-1, 1] to far outside.
        x = normal(0) * jnp.geomspace(0.05, 20.0, 16)[:, None, None, None]
        t, z_t = jnp.linspace(0.0, 1.0, 16), normal(1)
        model = answering(Prediction(x, normal(2), jnp.zeros(())))
        dynamic = thresholds.dynamic(thresholds.Dynamic(quantile))
        got = dynamic(model).denoise(z_t, t)
        for i in range(16):
            size = max(1.0, np.quantile(np.abs(x[i]), quantile))
            want = np.clip(x[i], -size, size) / size
            np.testing.assert_allclose(got.x[i], want, rtol=1e-9)
        again = gaussian.diffuse(got.x, got.eps, model.log_snr(t))
        np.testing.assert_allclose(again, z_t, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(got.x[0], x[0])
    assert np.abs(got.x).max() == 1.0


@pytest.mark.parametrize("quantile", [0.0, 1.1, float("nan")])
def test_impossible_quantiles(quantile):
    with pytest.raises(ValueError, match=rf"quantile = {quantile}: write a number in"):
        thresholds.Dynamic(quantile)


def test_no_threshold_is_the_model_itself():
    model = answering(Prediction(normal(0), normal(1), jnp.zeros(())))
    assert thresholds.THRESHOLDS["none"].default()(model) is model
