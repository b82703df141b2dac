"""Distances of densities, by closed forms of Gaussians and pairs that are known."""

import math

import numpy as np
import pytest

from ddpm_jax.lab import densities, divergences
from tests.lab.known import GRID, ROUGH, SMOOTH, gaussian


def test_kl_of_gaussians_is_the_closed_form():
    p, q = gaussian(0.5, 0.3), gaussian(0.8, -0.1)
    expected = 0.5 * (0.5 / 0.8 + 0.4**2 / 0.8 - 1.0 + math.log(0.8 / 0.5))
    assert divergences.kl(p, q) == pytest.approx(expected, abs=1e-10)


def test_total_variation_of_shifted_gaussians_is_the_closed_form():
    p, q = gaussian(1.0, -0.5), gaussian(1.0, 0.5)
    expected = math.erf(0.5 / math.sqrt(2.0))
    assert divergences.total_variation(p, q) == pytest.approx(expected, abs=1e-4)


def test_wasserstein_of_shifted_densities_is_the_shift():
    p, q = gaussian(0.5, -0.3), gaussian(0.5, 0.9)
    assert divergences.wasserstein(p, q) == pytest.approx(1.2, abs=1e-9)


def test_js_in_bits_is_the_mean_of_two_kls():
    middle = densities.of_values(GRID, SMOOTH.masses + ROUGH.masses)
    expected = 0.5 * sum(divergences.kl(p, middle) for p in (SMOOTH, ROUGH))
    assert divergences.js(SMOOTH, ROUGH) == pytest.approx(expected / math.log(2.0))
    assert divergences.js(SMOOTH, ROUGH) == divergences.js(ROUGH, SMOOTH)


def test_densities_apart_are_as_far_as_can_be():
    left = densities.uniform_pieces(GRID, [-2.0, -1.0], [1.0])
    right = densities.uniform_pieces(GRID, [1.0, 2.0], [1.0])
    assert divergences.js(left, right) == pytest.approx(1.0, abs=1e-12)
    assert divergences.total_variation(left, right) == pytest.approx(1.0, abs=1e-12)
    assert divergences.kl(left, right) == math.inf
    assert divergences.wasserstein(left, right) == pytest.approx(3.0, abs=0.05)


def test_equal_densities_are_not_apart():
    for distance in (
        divergences.kl,
        divergences.js,
        divergences.total_variation,
        divergences.wasserstein,
    ):
        assert distance(ROUGH, ROUGH) == pytest.approx(0.0, abs=1e-300)


def test_masses_that_round_to_nothing_leave_js_finite():
    p = np.full(401, 1.0 / 400)
    p[0], q = 5e-324, p.copy()
    p, q = (densities.of_values(GRID, a) for a in (p, q[::-1]))
    assert 0.0 <= divergences.js(p, q) <= 1.0


def test_grids_must_be_one():
    other = densities.standard_normal(densities.Grid(num=101))
    with pytest.raises(ValueError, match="put both on one grid"):
        divergences.kl(SMOOTH, other)
