"""Random errors of a density."""

import numpy as np
import pytest

from ddpm_jax.gallery import perturbation
from ddpm_jax.lab import divergences
from ddpm_jax.lab.densities import Grid
from tests.gallery import known


@pytest.mark.parametrize("error", [0.01, 0.2, 0.5])
def test_an_error_is_as_large_as_asked_for(error):
    density = known.setting().density
    spoilt = perturbation.perturbed(density, error, 0.2, seed=1)
    np.testing.assert_allclose(divergences.js(spoilt, density), error, rtol=1e-9)


def test_a_field_is_of_variance_1_and_does_not_depend_on_the_grid():
    fine = perturbation.field(Grid(-6.0, 6.0, 1201), 0.2, 3)
    coarse = perturbation.field(Grid(-6.0, 6.0, 241), 0.2, 3)
    np.testing.assert_allclose(fine[::5], coarse, atol=1e-12)
    assert not np.allclose(coarse, perturbation.field(Grid(-6.0, 6.0, 241), 0.2, 4))
    assert 0.5 < np.std(fine) < 1.5


def test_an_error_that_cannot_be_is_refused():
    density = known.setting().density
    with pytest.raises(ValueError, match=r"error = 2.0: no error is that large"):
        perturbation.perturbed(density, 2.0, 0.2, 0)
