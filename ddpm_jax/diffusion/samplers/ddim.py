"""DDIM: less noise a step than the chain puts in, with the same marginals.

    z_s ~ N(alpha_s x_hat + sigma_s sqrt(1 - eta^2 c) eps_hat,  eta^2 sigma_s^2 c)

with c = 1 - SNR(t)/SNR(s) (Song et al. 2021, arXiv:2010.02502, eq. 12 and 16). eta = 0
is deterministic, Euler's method for the probability-flow ODE; eta = 1 is ancestral
sampling with the posterior's variance, whatever the model's own.
"""

import jax.numpy as jnp
from jaxtyping import Array

from ddpm_jax.diffusion import gaussian
from ddpm_jax.diffusion.gaussian import Images
from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.samplers.chain import Step


def make_step(eta: float = 0.0) -> Step:
    """A step of DDIM with the given share of the chain's noise.

    Raises:
      ValueError: eta is not in [0, 1].
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(
            f"config.sample.ddim.eta = {eta} is not in [0, 1]: 0 draws no noise."
        )

    def step(
        prediction: Prediction, log_snr_s: Array, log_snr_t: Array, noise: Images
    ) -> Images:
        l_s, l_t = gaussian.per_example(log_snr_s), gaussian.per_example(log_snr_t)
        _, sigma_s = gaussian.alpha_sigma(l_s)
        std = eta * sigma_s * jnp.sqrt(gaussian.noise_removed(l_s, l_t))
        mean = gaussian.posterior_mean(
            prediction.x, prediction.eps, log_snr_s, log_snr_t, eta
        )
        return mean + std * noise

    return step
