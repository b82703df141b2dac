"""What figures share."""

import numpy as np

from ddpm_jax.lab.densities import gaussian_mixture
from tests.gallery import known


def test_a_drawing_shows_where_there_is_something():
    setting = known.setting(601)
    x = setting.grid.points[setting.shown(0.05)]
    np.testing.assert_allclose(np.diff(x), 0.04, rtol=1e-9)
    assert x[0] <= -3.5 and x[-1] >= 3.5 and x[-1] < 4.5
    far = gaussian_mixture(setting.grid, [5.0], [0.2])
    wide = type(setting)(setting.grid, far, 0, setting.folder)
    assert wide.grid.points[wide.shown()][-1] > 5.6


def test_the_coarse_density_is_the_same_on_every_second_point():
    setting = known.setting(241)
    coarse = setting.coarse()
    np.testing.assert_allclose(coarse.grid.points, setting.grid.points[::2], atol=1e-12)
    np.testing.assert_allclose(coarse.mean, setting.density.mean, atol=1e-9)
    np.testing.assert_allclose(coarse.variance, setting.density.variance, rtol=1e-9)
