"""Densities at a noise level."""

import numpy as np

from ddpm_jax.gallery import noising
from tests.gallery import known


def test_a_density_at_a_log_snr_has_the_closed_forms_moments():
    density = known.setting().density
    after = noising.noised(density, 1.0)
    alpha = 1.0 / (1.0 + np.exp(-1.0))
    np.testing.assert_allclose(after.mean, np.sqrt(alpha) * density.mean, rtol=1e-9)
    np.testing.assert_allclose(
        after.variance, alpha * density.variance + 1.0 - alpha, rtol=1e-9
    )


def test_noise_finer_than_the_grid_is_left_out():
    density = known.setting().density
    assert noising.noised(density, 12.0) is density
