"""Ancestral sampling: the reverse chain itself.

    z_s ~ p(z_s | z_t) = N(mean of q(z_s | z_t, x_hat), reverse variance)

(Ho et al. 2020, arXiv:2006.11239, algorithm 2.)
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import loop

# (prediction, log SNR of s, log SNR of t) -> log of p(z_s | z_t)'s variance.
LogVariance = Callable[
    [Prediction, Array, Array], Float[Array, ""] | Float[Array, "batch h w c"]
]


def own_variance(prediction: Prediction, log_snr_s: Array, log_snr_t: Array) -> Array:
    """The reverse variance that the model states."""
    return gaussian.log_variance(prediction.variance_fraction, log_snr_s, log_snr_t)


def fixed_variance(fraction: float) -> LogVariance:
    """The posterior's (0), the forward process's (1), or one between, by logarithm."""

    def log_variance(
        prediction: Prediction, log_snr_s: Array, log_snr_t: Array
    ) -> Array:
        at = jnp.asarray(fraction, log_snr_s.dtype)
        return gaussian.log_variance(at, log_snr_s, log_snr_t)

    return log_variance


def make(log_variance: LogVariance = own_variance) -> loop.Sampler:
    """Ancestral sampling with the variance given, the model's own by default."""

    def step(
        state: loop.Latent,
        prediction: Prediction,
        row: loop.Transition,
        noise: Images,
    ) -> loop.Latent:
        return loop.Latent(draw(log_variance, prediction, row, noise))

    return loop.Sampler(loop.transitions, loop.Latent, step)


def draw(
    log_variance: LogVariance,
    prediction: Prediction,
    row: loop.Transition,
    noise: Images,
) -> Images:
    """A draw of p(z_s | z_t)."""
    l_s, l_t = row.log_snr_s, row.log_snr_t
    mean = gaussian.posterior_mean(prediction.x, prediction.eps, l_s, l_t)
    return mean + jnp.exp(0.5 * log_variance(prediction, l_s, l_t)) * noise
