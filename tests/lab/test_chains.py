"""Chains of the framework's schedules."""

import numpy as np
import pytest

from ddpm_jax.diffusion.process import betas, schedules
from ddpm_jax.lab import chains, densities, divergences
from ddpm_jax.lab.chains import Chain
from ddpm_jax.lab.densities import Grid
from tests.lab.known import ROUGH, SMOOTH, gaussian


def test_alphas_are_those_of_the_table_of_betas():
    table = betas.linear(50, 1e-3, 0.2)
    chain = Chain.of(SMOOTH, schedules.from_betas(table).log_snr, 50)
    np.testing.assert_allclose(chain.alphas, 1.0 - table, rtol=1e-10)


def test_gaussian_marginals_are_the_closed_form():
    log_snr = schedules.cosine(-8.0, 5.0).log_snr
    chain = Chain.of(gaussian(0.3, 0.5), log_snr, 6)
    for marginal, value in zip(
        chain.marginals[1:], chains.log_snrs(log_snr, 6), strict=True
    ):
        alpha_bar = 1.0 / (1.0 + np.exp(-value))
        expected = gaussian(alpha_bar * 0.3 + 1.0 - alpha_bar, 0.5 * alpha_bar**0.5)
        np.testing.assert_allclose(marginal.values, expected.values, atol=1e-8)


@pytest.mark.parametrize("density", [SMOOTH, ROUGH], ids=["smooth", "rough"])
def test_the_reverse_kernels_restore_the_density(density):
    chain = Chain.of(density, schedules.cosine(-9.0, 5.0).log_snr, 8)
    whole = chain.restored(chain.marginals[-1])
    np.testing.assert_allclose(whole.values, density.values, atol=1e-11)
    # And from N(0, 1), to within what is left of the data at the end.
    start = densities.standard_normal(density.grid)
    apart = divergences.kl(chain.marginals[-1], start)
    restored = chain.restored(start)
    assert 0.0 < divergences.kl(density, restored) <= apart


def test_a_learned_schedule_is_any_function_of_time():
    chain = Chain.of(SMOOTH, lambda t: 4.0 - 9.0 * t**2, 5)
    np.testing.assert_allclose(
        np.cumprod(chain.alphas)[[0, -1]], 1.0 / (1.0 + np.exp([-4.0, 5.0]))
    )


def test_a_step_too_fine_for_the_grid_is_refused():
    density = densities.standard_normal(Grid(-6.0, 6.0, 101))
    with pytest.raises(ValueError, match="narrower than the grid's spacing"):
        _ = Chain.of(density, schedules.linear_beta(1000).log_snr, 1000).marginals
