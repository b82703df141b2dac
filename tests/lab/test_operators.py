"""The forward step and its reverse: two routes that agree, identities, closed forms."""

import numpy as np
import pytest

from ddpm_jax.lab import densities, operators
from ddpm_jax.lab.densities import Grid
from tests.lab.known import GRID, ROUGH, SMOOTH, gaussian

ALPHAS = (0.05, 0.6, 0.9, 0.98)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_a_matrix_and_fourier_transforms_step_alike(density, alpha):
    by_matrix = operators.forward_kernel(GRID, alpha).apply(density)
    by_fft = operators.forward_by_fft(density, alpha)
    np.testing.assert_allclose(by_fft.values, by_matrix.values, atol=1e-10)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_forward_and_reverse_give_the_density_back(density, alpha):
    after = operators.forward_kernel(GRID, alpha).apply(density)
    kernel = operators.reverse_kernel(density, alpha)
    np.testing.assert_allclose(kernel.apply(after).values, density.values, atol=1e-12)
    np.testing.assert_allclose(kernel.matrix.sum(axis=0), 1.0, atol=1e-13)
    assert kernel.matrix.min() >= 0.0


def test_a_standard_normal_stays():
    start = densities.standard_normal(Grid(num=401))
    for alpha in ALPHAS:
        after = operators.forward_kernel(start.grid, alpha).apply(start)
        np.testing.assert_allclose(after.values, start.values, atol=1e-13)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_step_of_gaussians_is_the_closed_form(alpha):
    before = gaussian(0.25, 0.7)
    after = operators.forward_kernel(GRID, alpha).apply(before)
    variance = alpha * 0.25 + 1.0 - alpha
    expected = gaussian(variance, 0.7 * alpha**0.5)
    np.testing.assert_allclose(after.values, expected.values, atol=1e-8)
    # q(z_{t-1} | z_t) of Gaussians, whose mean is linear in z_t.
    kernel = operators.reverse_kernel(before, alpha)
    inner = np.abs(GRID.points) < 3.0
    gain = alpha**0.5 * 0.25 / variance
    means = 0.7 + gain * (GRID.points - alpha**0.5 * 0.7)
    np.testing.assert_allclose(kernel.means[inner], means[inner], atol=1e-10)
    np.testing.assert_allclose(
        kernel.variances[inner], 0.25 * (1.0 - alpha) / variance, atol=1e-10
    )


def test_the_reverse_is_bayes_in_plain_words():
    kernel = operators.reverse_kernel(ROUGH, 0.9)
    z = GRID.points[230]
    likelihood = np.exp(-0.5 * (z - 0.9**0.5 * GRID.points) ** 2 / 0.1)
    product = likelihood * ROUGH.masses
    np.testing.assert_allclose(
        kernel.conditional(z).masses, product / product.sum(), atol=1e-13
    )


def test_steps_follow_each_other():
    first, second = (operators.forward_kernel(GRID, a) for a in (0.9, 0.8))
    both = first.then(second)
    np.testing.assert_allclose(
        both.apply(SMOOTH).masses, second.apply(first.apply(SMOOTH)).masses, atol=1e-15
    )
    # Other kernels do not commute.
    back = operators.reverse_kernel(ROUGH, 0.7)
    np.testing.assert_allclose(
        first.then(back).apply(SMOOTH).masses,
        back.apply(first.apply(SMOOTH)).masses,
        atol=1e-15,
    )
    # Two steps are one of the product.
    whole = operators.forward_kernel(GRID, 0.72)
    np.testing.assert_allclose(
        both.apply(SMOOTH).values, whole.apply(SMOOTH).values, atol=1e-8
    )


def test_a_density_that_is_nothing_in_places_is_given_back_too():
    pieces = densities.uniform_pieces(GRID, [-1.0, -0.5, 0.2, 1.0], [1.0, 0.0, 2.0])
    kernel = operators.reverse_kernel(pieces, 0.7)
    after = operators.forward_kernel(GRID, 0.7).apply(pieces)
    np.testing.assert_allclose(kernel.apply(after).masses, pieces.masses, atol=1e-15)
    assert np.all(kernel.matrix[pieces.masses == 0.0] == 0.0)


@pytest.mark.parametrize(
    "alpha, message",
    [
        (0.0, "alpha = 0.0: write a number between 0 and 1"),
        (1.0, "alpha = 1.0: write"),
        (0.9999, "narrower than the grid's spacing 0.03"),
    ],
)
def test_an_alpha_that_cannot_work_is_refused(alpha, message):
    with pytest.raises(ValueError, match=message):
        operators.forward_kernel(GRID, alpha)
    with pytest.raises(ValueError, match=message):
        operators.forward_by_fft(SMOOTH, alpha)
