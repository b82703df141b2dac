"""Models whose probability flow is known, and samplers run from given latents."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.samplers import loop
from tests.diffusion import closed_form

COSINE = schedules.cosine(-10.0, 10.0).log_snr

# Clouds so wide that no ridge is left between them: the flow is smooth everywhere.
SMOOTH = closed_form.Mixture(
    closed_form.MIXTURE.means, np.array([0.4, 0.5, 0.3]), closed_form.MIXTURE.weights
)
MEAN = np.array([0.3, -0.2]).reshape(SMOOTH.shape)
COVARIANCE = np.array([[0.30, 0.12], [0.12, 0.10]])


@functools.partial(jax.jit, static_argnums=(0, 1))
def follow(
    diffusion: Diffusion,
    sampler: loop.Sampler,
    times: jax.Array,
    z: jax.Array,
    keys: jax.Array,
) -> loop.Result:
    """`chain.follow`, compiled once for all times of one number."""
    return loop.sample_from(diffusion, sampler, times, z, keys)


def keys(num: int, seed: int = 0) -> jax.Array:
    return jax.random.split(jax.random.key(seed), num)


def alpha_sigma(log_snr: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """In numpy, float64."""
    alpha_sq = 1.0 / (1.0 + np.exp(-np.asarray(log_snr, np.float64)))
    return np.sqrt(alpha_sq), np.sqrt(1.0 - alpha_sq)


def gaussian_flow(
    z_1: np.ndarray,
    log_snr_1: float,
    log_snr_0: float,
    mean: np.ndarray = MEAN,
    covariance: np.ndarray = COVARIANCE,
) -> np.ndarray:
    """Where the flow of N(mean, covariance) leads: each latent keeps its deviates."""
    values, vectors = np.linalg.eigh(covariance)
    stds = []
    for log_snr in (log_snr_1, log_snr_0):
        alpha, sigma = alpha_sigma(log_snr)
        stds.append(np.sqrt(alpha**2 * values + sigma**2))
    alphas = [alpha_sigma(log_snr)[0] for log_snr in (log_snr_1, log_snr_0)]
    away = z_1.reshape(len(z_1), -1) - alphas[0] * mean.ravel()
    moved = away @ (vectors * stds[1] / stds[0]) @ vectors.T
    return (alphas[1] * mean.ravel() + moved).reshape(z_1.shape)


def mixture_flow(
    mixture: closed_form.Mixture, log_snr: LogSnr, z_1: jax.Array
) -> np.ndarray:
    """Where the flow of a mixture leads, by a solver of order 8 at tolerances of 1e-12."""
    solve = probability_flow.Solve("dopri8", rtol=1e-12, atol=1e-12, max_steps=20_000)
    run = jax.jit(probability_flow.backward, static_argnums=(0, 2))
    found = run(mixture.diffusion(log_snr), z_1, solve)
    assert np.all(found.converged)
    return np.asarray(found.z_0)


def distance(found: ArrayLike, truth: np.ndarray) -> float:
    """Of all samples together, relative."""
    return float(np.linalg.norm(np.asarray(found) - truth) / np.linalg.norm(truth))


class Asked:
    """A model as a function of numpy's: (z, t) -> x_hat and eps_hat, float64."""

    def __init__(self, diffusion: Diffusion):
        self._denoise = jax.jit(diffusion.denoise)
        self._log_snr = diffusion.log_snr

    def __call__(self, z: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
        prediction = self._denoise(jnp.asarray(z), jnp.full(len(z), t))
        return np.asarray(prediction.x), np.asarray(prediction.eps)

    def log_snr(self, t: ArrayLike) -> np.ndarray:
        return np.asarray(self._log_snr(jnp.asarray(t)))


def count_questions(
    diffusion: Diffusion, sampler: loop.Sampler, times: jax.Array
) -> int:
    """How often a sampler asks the model of one image."""
    calls = []

    def counted(z_t: jax.Array, t: jax.Array) -> Prediction:
        jax.debug.callback(lambda _: calls.append(1), t[0])
        return diffusion.denoise(z_t, t)

    z = jnp.zeros((1, *SMOOTH.shape))
    follow(Diffusion(diffusion.log_snr, counted), sampler, times, z, keys(1))
    jax.effects_barrier()
    return len(calls)
