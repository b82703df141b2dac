"""The best denoiser of a density on a grid, and all that is known of a model that has it.

x is one of the grid's points, with its mass; its posterior given z_t is a softmax over them.
Where the noise sigma_t / alpha_t is the grid's spacing or more, this is the density itself to
float64's rounding; below that, the points show.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
from jaxtyping import Array, Float
from scipy.special import expit, logsumexp

from ddpm_jax.diffusion.model import Diffusion, LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.lab import chains
from ddpm_jax.lab.densities import Density, Grid, Points

# Masses that no sum over the points shows.
NEGLIGIBLE = 1e-30
# Between that many log SNRs from -9 to 9, a spline of log mmse is right to 1e-5.
NUM_NODES = 80


def diffusion(
    density: Density, log_snr: LogSnr, variance_fraction: float = 0.0
) -> Diffusion:
    """The exact model of images whose pixels are independent draws of a density.

    Args:
      density: of each pixel.
      log_snr: the schedule.
      variance_fraction: of every `Prediction`.
    """
    atoms = density.grid.points[density.masses > 0.0][:, None]
    return of_atoms(
        atoms, density.masses[density.masses > 0.0], log_snr, variance_fraction
    )


def of_atoms(
    atoms: Float[np.ndarray, "atoms dims"],
    masses: Float[np.ndarray, " atoms"],
    log_snr: LogSnr,
    variance_fraction: float = 0.0,
) -> Diffusion:
    """The exact model of data that take finitely many values: E[x | z_t] by Bayes.

    Args:
      atoms: the values, of D dimensions. With D = 1 every number of an image is one draw, with
        others each pixel of D channels.
      masses: their probabilities.
      log_snr: the schedule.
      variance_fraction: of every `Prediction`.
    """
    num_dims = atoms.shape[1]

    def denoise(z_t: Array, t: Array) -> Prediction:
        l_t = log_snr(t)[:, None, None]
        alpha, sigma = gaussian.alpha_sigma(l_t)
        z = z_t.reshape(z_t.shape[0], -1, 1, num_dims)
        values = jnp.asarray(atoms, z_t.dtype)
        deviates = (z - alpha[..., None] * values[None, None]) / sigma[..., None]
        logits = -0.5 * jnp.sum(jnp.square(deviates), axis=-1)
        logits = logits + jnp.asarray(np.log(masses), z_t.dtype)[None, None]
        x = (jax.nn.softmax(logits, axis=-1) @ values).reshape(z_t.shape)
        alpha, sigma = alpha[..., None], sigma[..., None]
        fraction = jnp.asarray(variance_fraction, z_t.dtype)
        return Prediction(x, (z_t - alpha * x) / sigma, fraction)

    return Diffusion(log_snr, denoise)


def log_density(
    density: Density, z: Float[np.ndarray, "*shape"], log_snr: float
) -> Float[np.ndarray, "*shape"]:
    """log q(z_t) of latents anywhere on the line, at one log SNR, in nats."""
    alpha, sigma = _alpha_sigma(log_snr)
    away = (np.asarray(z)[..., None] - alpha * density.grid.points) / sigma
    logs = density.log_masses - 0.5 * np.square(away)
    return np.asarray(logsumexp(logs, axis=-1) - np.log(sigma * np.sqrt(2.0 * np.pi)))


def score(
    density: Density, z: Float[np.ndarray, "*shape"], log_snr: float
) -> Float[np.ndarray, "*shape"]:
    """d log q(z_t) / dz = (alpha_t E[x | z_t] - z_t) / sigma_t^2, at one log SNR."""
    alpha, sigma = _alpha_sigma(log_snr)
    mean, _ = posterior_moments(density, z, log_snr)
    return np.asarray((alpha * mean - z) / sigma**2)


def posterior_moments(
    density: Density, z: Float[np.ndarray, "*shape"], log_snr: float
) -> tuple[Float[np.ndarray, "*shape"], Float[np.ndarray, "*shape"]]:
    """The mean and the variance of x given z_t, at one log SNR."""
    alpha, sigma = _alpha_sigma(log_snr)
    points = density.grid.points
    away = (np.asarray(z)[..., None] - alpha * points) / sigma
    logs = density.log_masses - 0.5 * np.square(away)
    weights = np.exp(logs - logsumexp(logs, axis=-1, keepdims=True))
    mean = weights @ points
    variance = np.sum(weights * np.square(points - mean[..., None]), axis=-1)
    return mean, variance


def mmse(density: Density, log_snr: float) -> float:
    """E[(x - E[x | z_t])^2], the least mean squared error of a denoiser.

    Raises:
      ValueError: the grid does not resolve the noise.
    """
    check_noise(density.grid, log_snr)
    alpha, sigma = _alpha_sigma(log_snr)
    points, held = density.grid.points, density.masses > NEGLIGIBLE
    x, masses = points[held], density.masses[held]
    likelihood = np.exp(-0.5 * np.square((points[:, None] - alpha * x) / sigma))
    powers = np.stack([masses, masses * x, masses * x**2], axis=1)
    zeroth, first, second = (likelihood @ powers).T
    seen = zeroth > 0.0
    variance = second[seen] - np.square(first[seen]) / zeroth[seen]
    return float(variance.sum() / zeroth.sum())


def mmses(density: Density, log_snrs: Points) -> Points:
    """`mmse` at every one of these log SNRs; of many, by a spline of its logarithm."""
    if len(log_snrs) <= NUM_NODES:
        return np.array([mmse(density, value) for value in log_snrs])
    nodes = np.linspace(log_snrs.min(), log_snrs.max(), NUM_NODES)
    logs = np.log([mmse(density, value) for value in nodes])
    spline = scipy.interpolate.CubicSpline(nodes, logs)
    return np.asarray(np.exp(spline(log_snrs)))


def reverse_variance(density: Density, log_snr_s: float, log_snr_t: float) -> float:
    """The best variance of p(z_s | z_t) that is the same for all z_t: E Var(z_s | z_t).

    The posterior's variance and that of its mean under q(x | z_t) (Bao et al. 2022,
    arXiv:2201.06503, theorem 1). For data of variance up to 1 it lies between the
    posterior's, of data at one point, and the forward process's, of N(0, 1) data; wider
    data may need more.
    """
    alpha_s, sigma_s = _alpha_sigma(log_snr_s)
    removed = -np.expm1(log_snr_t - log_snr_s)
    return float(
        sigma_s**2 * removed + (alpha_s * removed) ** 2 * mmse(density, log_snr_t)
    )


class Bound(NamedTuple):
    """The terms of the variational bound on -E[log p(x)], exactly, in nats.

    Attributes:
      prior: KL(q(z_1 | x) || N(0, 1)).
      transitions: KL of each transition, [T-1]; the first leads from z_1 to z_0.
      reconstruction: -E[log p(x | z_0)].
    """

    prior: float
    transitions: Points
    reconstruction: float

    @property
    def total(self) -> float:
        """The bound; -E[log p(x)] of the model, and the entropy of x, lie below."""
        return self.prior + float(self.transitions.sum()) + self.reconstruction


def bound(
    density: Density,
    log_snr: LogSnr,
    num_steps: int,
    variance: float | None = None,
    decoder_uses_network: bool = True,
    errors: Points | None = None,
) -> Bound:
    """The bound of the chain of T = num_steps latents whose denoiser is exact.

    Args:
      density: of the data.
      log_snr: the schedule.
      num_steps: number T of latents.
      variance: the reverse variance, as `Prediction.variance_fraction` states it; None: the
        best one of each transition, and of the decoder.
      decoder_uses_network: whether p(x | z_0) is a Gaussian around x_hat(z_0), rather than
        N(z_0 / alpha_0, sigma_0^2 / alpha_0^2).
      errors: `mmses` of the latents, if they are known.
    """
    l_t = chains.log_snrs(log_snr, num_steps)
    if errors is None:
        errors = mmses(density, l_t)
    alpha_bar, noise = expit(l_t), expit(-l_t)
    prior = 0.5 * (alpha_bar[-1] * (density.moment(2) - 1.0) - float(np.log(noise[-1])))
    # KL of the means with the posterior's variance.
    mean_terms = 0.5 * (np.exp(l_t[:-1]) - np.exp(l_t[1:])) * errors[1:]
    spread = np.log(noise[1:] / noise[:-1])
    if variance is None:
        # The best variance is (1 + 2 mean_term) times the posterior's.
        transitions = 0.5 * np.log1p(2.0 * mean_terms)
    else:
        ratio = variance * spread
        transitions = np.exp(-ratio) * mean_terms + 0.5 * (ratio + np.expm1(-ratio))
    reconstruction = _reconstruction(l_t, errors[0], variance, decoder_uses_network)
    return Bound(float(prior), transitions, reconstruction)


def _reconstruction(
    l_t: Points, error: float, variance: float | None, uses_network: bool
) -> float:
    """-E[log p(x | z_0)], by the scale that `likelihood.terms.decoder` states."""
    if not uses_network:
        return 0.5 * float(np.log(2.0 * np.pi * np.e) - l_t[0])
    if variance is None:
        return 0.5 * float(np.log(2.0 * np.pi * np.e * error))
    removed = -np.expm1(l_t[1] - l_t[0])
    log_scale = np.log(expit(-l_t[0])) + (1.0 - variance) * np.log(removed)
    return 0.5 * float(np.log(2.0 * np.pi) + log_scale + error / np.exp(log_scale))


def check_noise(grid: Grid, log_snr: float) -> None:
    """Raises ValueError unless the grid resolves the noise sigma / alpha of a log SNR."""
    if np.exp(-0.5 * log_snr) < grid.spacing * (1.0 - 1e-6):
        raise ValueError(
            f"log SNR {log_snr:.3g}: its noise of standard deviation"
            f" {np.exp(-0.5 * log_snr):.3g} is narrower than the grid's spacing"
            f" {grid.spacing:g}; write a lower log SNR, or a finer grid."
        )


def _alpha_sigma(log_snr: float) -> tuple[float, float]:
    return float(np.sqrt(expit(log_snr))), float(np.sqrt(expit(-log_snr)))
