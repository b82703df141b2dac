"""The reverse variance that is best for a given network, from its mean error on data.

The mean of p(z_s | z_t) misses that of q(z_s | z_t, x) by alpha_s c (x - x_hat), so that of all
numbers the variance of least KL is

    sigma_s^2 c + (alpha_s c)^2 E |x - x_hat|^2 / dims

(Bao et al. 2022, arXiv:2201.06503, theorem 1, whose Gamma gives the same error of a network
that is exact; measured on data it is right for one that is not, arXiv:2206.07309). The error
depends on the log SNR of t alone: one table serves any list of times.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers.ancestral import LogVariance


class Table(NamedTuple):
    """E |v - v_hat|^2 a dimension, which is E |x - x_hat|^2 / sigma^2, along log SNR.

    Attributes:
      log_snr: increasing.
      error: there.
    """

    log_snr: Float[np.ndarray, " points"]
    error: Float[np.ndarray, " points"]


def error(
    diffusion: Diffusion,
    x: Images,
    t: Float[Array, ""],
    keys: Key[Array, " batch"],
) -> Float[Array, " batch"]:
    """|v - v_hat|^2 a dimension of each example at t, by one draw of noise."""
    times = jnp.full(x.shape[:1], t)
    log_snr = diffusion.log_snr(times)
    eps = gaussian.normal(keys, x.shape[1:], x.dtype)
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr), times)
    missed = gaussian.velocity_error(x, eps, prediction, log_snr)
    return jnp.mean(missed, axis=(1, 2, 3))


def log_variance(table: Table) -> LogVariance:
    """The variance of the table, by straight lines between its points."""

    def of(prediction: Prediction, log_snr_s: Array, log_snr_t: Array) -> Array:
        at, values = (jnp.asarray(a, log_snr_t.dtype) for a in table)
        missed = jnp.interp(log_snr_t, at, values)
        c = gaussian.noise_removed(log_snr_s, log_snr_t)
        # Over the posterior's: c alpha_s^2 sigma_t^2 / sigma_s^2 of the error.
        ratio = c * jnp.exp(log_snr_s) * jax.nn.sigmoid(-log_snr_t) * missed
        posterior = gaussian.log_variance(jnp.zeros_like(c), log_snr_s, log_snr_t)
        return posterior + jnp.log1p(ratio)

    return of
