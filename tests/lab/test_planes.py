"""Densities of the plane: marginals and the exact model, by closed forms."""

import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.diffusion.process import schedules
from ddpm_jax.lab import planes
from ddpm_jax.lab.densities import Grid
from tests.diffusion import closed_form

GRID = Grid(-5.0, 5.0, 81)
KNOWN = closed_form.Mixture(
    means=np.array([[-0.9, 0.5], [0.8, -0.3]]),
    stds=np.array([0.4, 0.5]),
    weights=np.array([0.6, 0.4]),
)
PLANE = planes.gaussian_mixture(GRID, KNOWN.means, KNOWN.stds, KNOWN.weights)
POINTS = np.stack(np.meshgrid(GRID.points, GRID.points, indexing="ij"), axis=-1)


def test_values_are_the_mixtures_before_and_after_a_step():
    np.testing.assert_allclose(
        PLANE.values.ravel(), np.exp(KNOWN.log_density(POINTS, 40.0)), atol=1e-9
    )
    alpha = 0.6
    log_snr = np.log(alpha / (1.0 - alpha))
    np.testing.assert_allclose(
        PLANE.after(alpha).values.ravel(),
        np.exp(KNOWN.log_density(POINTS, log_snr)),
        atol=1e-8,
    )


def test_the_denoiser_is_the_mixtures():
    log_snr = schedules.linear_log_snr(-6.0, 4.0).log_snr
    with jax.enable_x64(True):
        t = jnp.linspace(0.0, 1.0, 5)
        z = jnp.asarray(np.random.default_rng(0).standard_normal((5, 1, 1, 2)))
        found = PLANE.diffusion(log_snr).denoise(z, t)
        expected = KNOWN.diffusion(log_snr).denoise(z.reshape(5, 1, 2, 1), t)
        np.testing.assert_allclose(found.x.ravel(), expected.x.ravel(), atol=1e-8)
