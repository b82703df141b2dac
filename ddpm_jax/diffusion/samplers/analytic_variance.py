"""The optimal reverse variance for a given network, from its mean error on data.

The means of p(z_s | z_t) and q(z_s | z_t, x) differ by alpha_s c (x - x_hat), so that the
scalar variance of least KL is

    sigma_s^2 c + (alpha_s c)^2 E |x - x_hat|^2 / dims

(Bao et al. 2022, arXiv:2201.06503, theorem 1, whose Gamma equals this error for an exact
network; measured on data it is right for an inexact one as well, arXiv:2206.07309). The error
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
    """Mean error per dimension, E |v - v_hat|^2 = E |x - x_hat|^2 / sigma^2, over log SNR.

    Attributes:
      log_snr: log SNRs in increasing order.
      error: mean error at each.
    """

    log_snr: Float[np.ndarray, " points"]
    error: Float[np.ndarray, " points"]


def error(
    diffusion: Diffusion,
    x: Images,
    t: Float[Array, ""],
    keys: Key[Array, " batch"],
) -> Float[Array, " batch"]:
    """Error |v - v_hat|^2 per dimension of each example at t, with one draw of noise."""
    times = jnp.full(x.shape[:1], t)
    log_snr = diffusion.log_snr(times)
    eps = gaussian.normal(keys, x.shape[1:], x.dtype)
    prediction = diffusion.denoise(gaussian.diffuse(x, eps, log_snr), times)
    squared_error = gaussian.velocity_error(x, eps, prediction, log_snr)
    return jnp.mean(squared_error, axis=(1, 2, 3))


def log_variance(table: Table) -> LogVariance:
    """The log reverse variance from a table of errors, interpolated linearly."""

    def from_table(prediction: Prediction, log_snr_s: Array, log_snr_t: Array) -> Array:
        points, errors = (jnp.asarray(a, log_snr_t.dtype) for a in table)
        mean_error = jnp.interp(log_snr_t, points, errors)
        c = gaussian.noise_removed(log_snr_s, log_snr_t)
        # The second term over the posterior's: c alpha_s^2 sigma_t^2 / sigma_s^2 error.
        ratio = c * jnp.exp(log_snr_s) * jax.nn.sigmoid(-log_snr_t) * mean_error
        posterior = gaussian.log_variance(jnp.zeros_like(c), log_snr_s, log_snr_t)
        return posterior + jnp.log1p(ratio)

    return from_table
