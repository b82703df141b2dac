"""Ancestral sampling: the reverse chain itself.

    z_s ~ p(z_s | z_t) = N(mean of q(z_s | z_t, x_hat), reverse variance)

(Ho et al. 2020, arXiv:2006.11239, algorithm 2.)
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.diffusion import gaussian
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Prediction


def step(
    prediction: Prediction,
    log_snr_s: Float[Array, " batch"],
    log_snr_t: Float[Array, " batch"],
    noise: Images,
) -> Images:
    """A draw of p(z_s | z_t), with the reverse variance that the prediction states."""
    l_s, l_t = gaussian.per_example(log_snr_s), gaussian.per_example(log_snr_t)
    log_variance = gaussian.log_variance(prediction.variance_fraction, l_s, l_t)
    mean = gaussian.posterior_mean(prediction.x, prediction.eps, log_snr_s, log_snr_t)
    return mean + jnp.exp(0.5 * log_variance) * noise
