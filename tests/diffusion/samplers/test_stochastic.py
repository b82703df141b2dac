"""Samplers that draw noise end in the data's distribution, when their steps are many.

Data is a mixture in the plane, and the model is exact, so that what is left is the error of
steps of a length and that of finitely many samples.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import (
    analytic_variance,
    ancestral,
    ddim,
    dpm_solver,
    edm,
    loop,
    predictor_corrector,
    time_grids,
)
from tests import later
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

MIXTURE = closed_form.MIXTURE
MODEL = MIXTURE.diffusion(exact.COSINE)
NUM, VISITED = 3000, 250
# Samples of either kind that are compared in pairs, and relabellings of them.
NUM_COMPARED, NUM_SHUFFLES = 1000, 999


@functools.cache
def table() -> analytic_variance.Table:
    """The model's errors, measured."""
    rng = np.random.default_rng(2)
    x = jnp.asarray(MIXTURE.sample(rng, 2000), jnp.float32)
    measure = jax.jit(analytic_variance.error, static_argnums=0)
    log_snr, errors = [], []
    for number, t in enumerate(np.linspace(1.0, 0.0, 31, dtype=np.float32)):
        found = measure(MODEL, x, jnp.asarray(t), exact.keys(len(x), 10 + number))
        log_snr.append(float(exact.COSINE(jnp.asarray(t))))
        errors.append(float(jnp.mean(found)))
    return analytic_variance.Table(np.array(log_snr), np.array(errors))


CHURN = edm.Churn(amount=40.0, least=0.02, most=20.0)
SAMPLERS = {
    "ancestral_posterior": lambda: ancestral.make(ancestral.fixed_variance(0.0)),
    "ancestral_between": lambda: ancestral.make(ancestral.fixed_variance(0.5)),
    "ancestral_forward": lambda: ancestral.make(ancestral.fixed_variance(1.0)),
    "ancestral_analytic": lambda: ancestral.make(
        analytic_variance.log_variance(table())
    ),
    "ddim_half": lambda: ddim.make(0.5),
    "ddim_whole": lambda: ddim.make(1.0),
    "sde_1": lambda: dpm_solver.multistep(1, eta=1.0),
    "sde_2m": lambda: dpm_solver.multistep(2, eta=1.0),
    "sde_3m": lambda: dpm_solver.multistep(3, eta=1.0),
    "euler_churn": lambda: edm.euler(CHURN),
    "heun_churn": lambda: edm.heun(CHURN),
    "predictor_corrector": lambda: predictor_corrector.make(snr=0.03),
}


# Each is close to another.
LATER = ("ancestral_between", "ddim_whole", "sde_1", "sde_3m", "heun_churn")


def drawn(sampler: loop.Sampler) -> np.ndarray:
    times = time_grids.by_log_snr(exact.COSINE, CONTINUOUS, VISITED).astype(jnp.float32)
    keys = exact.keys(NUM)
    z = loop.first_latent(keys, MIXTURE.shape, jnp.float32)
    return np.asarray(exact.follow(MODEL, sampler, times, z, keys).z).reshape(NUM, 2)


@functools.cache
def truth() -> np.ndarray:
    """Latents of the data at t = 0."""
    rng = np.random.default_rng(1)
    alpha, sigma = exact.alpha_sigma(10.0)
    x = MIXTURE.sample(rng, NUM_COMPARED).reshape(-1, 2)
    return alpha * x + sigma * rng.standard_normal(x.shape)


def check_moments(z: np.ndarray) -> None:
    """Within five standard errors, and a hundredth for the length of steps.

    That of N(0, 1) data; the mixture's variances are 0.31 and 0.26.
    """
    alpha, sigma = exact.alpha_sigma(10.0)
    weights, means = MIXTURE.weights, alpha * MIXTURE.means
    mean = weights @ means
    within = np.sum(weights * (alpha**2 * MIXTURE.stds**2 + sigma**2)) * np.eye(2)
    covariance = within + (weights[:, None] * means).T @ means - np.outer(mean, mean)
    away = z - mean
    products = away[:, :, None] * away[:, None, :]
    for found, expected in ((z, mean), (products, covariance)):
        stderr = found.std(axis=0) / np.sqrt(NUM)
        assert np.all(np.abs(found.mean(axis=0) - expected) < 5 * stderr + 0.01)


@functools.cache
def true_log_density() -> tuple[float, float]:
    """Mean and standard deviation over the data's own latents."""
    rng = np.random.default_rng(5)
    alpha, sigma = exact.alpha_sigma(10.0)
    x = MIXTURE.sample(rng, 100_000).reshape(-1, 2)
    z = alpha * x + sigma * rng.standard_normal(x.shape)
    values = MIXTURE.log_density(z, 10.0)
    return float(values.mean()), float(values.std())


def check_density(z: np.ndarray, allowed: float) -> None:
    """Samples are as likely as data, which says whether each cloud is as wide as it should.

    Within five standard errors and what the length of steps is allowed, nats.
    """
    mean, std = true_log_density()
    found = MIXTURE.log_density(z, 10.0).mean()
    assert abs(found - mean) < 5 * std / np.sqrt(NUM) + allowed


def energy_p_value(a: np.ndarray, b: np.ndarray) -> float:
    """Of the energy distance (Szekely & Rizzo 2004), by relabelling at random.

    2 E|a - b| - E|a - a'| - E|b - b'|: 0 for two samples of one distribution, and for none
    of two.
    """
    together = np.concatenate([a, b])
    lengths = np.linalg.norm(together[:, None] - together[None], axis=-1)
    rng = np.random.default_rng(3)
    signs = np.repeat([1.0, -1.0], (len(a), len(b)))
    relabelled = np.stack([rng.permutation(signs) for _ in range(NUM_SHUFFLES)])
    labels = np.concatenate([signs[None], relabelled])
    distances = -np.einsum("ij,ij->i", labels @ lengths, labels)
    return float(np.mean(distances >= distances[0]))


@pytest.mark.parametrize("name", later.all_but(SAMPLERS, LATER))
def test_many_steps_end_in_the_datas_distribution(name):
    """A false alarm of the energy test: once in five hundred seeds, for each sampler."""
    z = drawn(SAMPLERS[name]())
    check_moments(z)
    # In two dimensions |eps| is near 0 for some, whose Langevin move is then a long one, and
    # after the last of them no step mends it.
    check_density(z, 1.0 if name == "predictor_corrector" else 0.05)
    assert energy_p_value(z[:NUM_COMPARED], truth()) > 0.002


def test_the_energy_test_sees_what_it_should():
    """Data passes; data moved aside, widened or with more noise does not."""
    rng = np.random.default_rng(4)
    alpha, sigma = exact.alpha_sigma(10.0)
    other = MIXTURE.sample(rng, NUM_COMPARED).reshape(-1, 2)
    other = alpha * other + sigma * rng.standard_normal(other.shape)
    assert energy_p_value(other, truth()) > 0.002
    assert energy_p_value(other + 0.1, truth()) <= 0.002
    assert energy_p_value(1.15 * other, truth()) <= 0.002
    noisier = other + 0.15 * rng.standard_normal(other.shape)
    assert energy_p_value(noisier, truth()) <= 0.002
