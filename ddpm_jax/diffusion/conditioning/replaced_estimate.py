"""A prediction with another x_hat: what steering a model by its estimate comes to."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images


def with_x(
    prediction: Prediction, x: Images, log_snr: Float[Array, " batch"]
) -> Prediction:
    """The prediction with this x_hat, and its eps_hat moved along.

    eps + alpha/sigma (x_hat - x) keeps alpha x_hat + sigma eps_hat = z_t, and where x is
    x_hat it changes no bit of eps_hat, which (z_t - alpha x) / sigma would round again.
    """
    ratio = jnp.exp(0.5 * gaussian.per_example(log_snr))
    return prediction._replace(x=x, eps=prediction.eps + ratio * (prediction.x - x))
