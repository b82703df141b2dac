"""Steps of figures, and the grid that must hold their noise."""

import numpy as np

from ddpm_jax.gallery import steps
from ddpm_jax.lab import operators
from ddpm_jax.lab.densities import Grid


def test_alphas_of_a_curve_are_those_that_the_grid_resolves():
    fine, coarse = Grid(-6.0, 6.0, 961), Grid(-6.0, 6.0, 101)
    np.testing.assert_allclose(
        1.0 - steps.alphas_between(fine, 0.9, 0.004, 5)[[0, -1]], [0.9, 0.004]
    )
    alphas = steps.alphas_between(coarse, 0.9, 0.004, 5)
    assert np.all(np.diff(alphas) > 0.0)
    for alpha in alphas:
        operators.check_alpha(coarse, alpha)
