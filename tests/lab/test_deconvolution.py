"""Fourier division: exact without an error, and the error's growth by a closed form."""

import numpy as np
import pytest

from ddpm_jax.lab import deconvolution, densities, operators
from ddpm_jax.lab.densities import Grid
from tests.lab.known import SMOOTH

# Coarse, so that the highest frequency's factor leaves float64 digits.
COARSE = Grid(-6.0, 6.0, 121)
WIDE = densities.gaussian_mixture(COARSE, [-0.9, 0.8], [0.5, 0.4])
ALPHA = 0.97


def test_division_undoes_the_step():
    after = operators.forward_kernel(COARSE, ALPHA).apply(WIDE)
    found = deconvolution.deconvolved(COARSE, after.masses, ALPHA)
    np.testing.assert_allclose(found, WIDE.masses, atol=1e-9)
    assert deconvolution.distance(found, WIDE) < 1e-7


@pytest.mark.parametrize("frequency", [3.0, 8.0, 15.0])
def test_an_error_grows_by_its_frequencys_factor(frequency):
    after = operators.forward_kernel(COARSE, ALPHA).apply(WIDE).masses
    # A wave under a wide window has nearly the one frequency.
    window = np.exp(-0.5 * np.square(COARSE.points / 1.2))
    wave = 1e-9 * window * np.cos(frequency * COARSE.points)
    found = deconvolution.deconvolved(COARSE, after + wave, ALPHA)
    clean = deconvolution.deconvolved(COARSE, after, ALPHA)
    growth = np.abs(found - clean).max() / 1e-9
    # The window's own width in frequency widens it by less than this; the scaling of the
    # masses to the narrower line takes sqrt(alpha).
    expected = ALPHA**0.5 * deconvolution.amplification(ALPHA, frequency)
    assert growth == pytest.approx(expected, rel=0.12)


def test_a_band_keeps_an_error_small_and_loses_detail():
    after = operators.forward_kernel(COARSE, ALPHA).apply(WIDE).masses
    noise = 1e-4 * np.random.default_rng(0).standard_normal(after.size)
    plain = deconvolution.deconvolved(COARSE, after + noise, ALPHA)
    cut = deconvolution.deconvolved(COARSE, after + noise, ALPHA, highest=8.0)
    assert deconvolution.distance(cut, WIDE) < 0.05
    assert deconvolution.distance(plain, WIDE) > 10.0


def test_on_a_fine_grid_rounding_alone_is_too_much():
    after = operators.forward_kernel(SMOOTH.grid, 0.9).apply(SMOOTH)
    found = deconvolution.deconvolved(SMOOTH.grid, after.masses, 0.9)
    assert deconvolution.distance(found, SMOOTH) > 1e6
    assert np.all(np.isfinite(found))
