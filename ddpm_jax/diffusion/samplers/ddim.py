"""DDIM: sampling with less noise per step and the same marginals; and its inverse.

    z_s ~ N(alpha_s x_hat + sigma_s sqrt(1 - eta^2 c) eps_hat,  eta^2 sigma_s^2 c)

with c = 1 - SNR(t)/SNR(s) (Song et al. 2021, arXiv:2010.02502, eq. 12 and 16). eta = 0
is deterministic, Euler's method for the probability-flow ODE; eta = 1 is ancestral
sampling with the posterior's variance, whatever the model's own.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.model import LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import loop
from ddpm_jax.diffusion.samplers.setting import SamplerOptions


def make(eta: float = 0.0) -> loop.Sampler:
    """The DDIM sampler with the given share eta of the chain's noise.

    Raises:
      ValueError: eta is not in [0, 1].
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta = {eta} is not in [0, 1]: 0 draws no noise.")

    def step(
        state: loop.Latent,
        prediction: Prediction,
        row: loop.Transition,
        noise: Images,
    ) -> loop.Latent:
        l_s, l_t = row.log_snr_s, row.log_snr_t
        mean = gaussian.posterior_mean(prediction.x, prediction.eps, l_s, l_t, eta)
        if eta == 0.0:
            return loop.Latent(mean)
        _, sigma_s = gaussian.alpha_sigma(l_s)
        std = eta * sigma_s * jnp.sqrt(gaussian.noise_removed(l_s, l_t))
        return loop.Latent(mean + std * noise)

    return loop.Sampler(loop.transitions, loop.Latent, step)


class InversionPlan(NamedTuple):
    """The plan of inversion: a row for each evaluation, in a step from s up to t.

    Attributes:
      t: time of the evaluation.
      log_snr_s: log SNR at the start of the step.
      log_snr_t: log SNR at the end of the step, which is that of the evaluation.
      log_snr_next: log SNR of the next evaluation.
      is_last: whether the step ends with this evaluation.
    """

    t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_next: Float[Array, "*rows"]
    is_last: Bool[Array, "*rows"]


class _InversionState(NamedTuple):
    """The latent to evaluate next, and the one at the start of the step."""

    z: Images
    start: Images


def inverse(num_iterations: int = 3) -> loop.Sampler:
    """DDIM inversion: from z_0 up to the z_1 from which `make(eta=0)` returns to it.

    Times increase from 0 to 1. A step down from z_t leads to z_s where

        z_t = alpha_t/alpha_s z_s + (sigma_t - alpha_t/alpha_s sigma_s) eps_hat(z_t, t)

    which is solved for z_t by fixed-point iteration (Pan et al. 2023, arXiv:2309.04907),
    from the previous estimate of the noise. Evaluating only at z_s would leave an error of the
    order of the step's length.

    Args:
      num_iterations: evaluations in a step.

    Raises:
      ValueError: num_iterations is below 1.
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations = {num_iterations}: write 1 or more.")

    def plan(log_snr: LogSnr, times: loop.Times) -> InversionPlan:
        # The first evaluation, at s of the first step, makes a step of no length.
        lower = jnp.concatenate([times[:1], jnp.repeat(times[:-1], num_iterations)])
        upper = jnp.concatenate([times[:1], jnp.repeat(times[1:], num_iterations)])
        following = jnp.append(upper[1:], times[-1])
        is_last = jnp.arange(upper.size) % num_iterations == 0
        return InversionPlan(
            upper, log_snr(lower), log_snr(upper), log_snr(following), is_last
        )

    def step(
        state: _InversionState,
        prediction: Prediction,
        row: InversionPlan,
        noise: Images,
    ) -> _InversionState:
        eps = prediction.eps
        z_t = _at_noise_level(state.start, eps, row.log_snr_s, row.log_snr_t)
        z_next = _at_noise_level(z_t, eps, row.log_snr_t, row.log_snr_next)
        return _InversionState(
            z=jnp.where(row.is_last, z_next, z_t),
            start=jnp.where(row.is_last, z_t, state.start),
        )

    return loop.Sampler(plan, lambda z: _InversionState(z, z), step)


def _at_noise_level(
    z_s: Images, eps: Images, log_snr_s: Array, log_snr_t: Array
) -> Images:
    """The latent at t with the x of z_s and the given eps."""
    alpha_s, sigma_s = gaussian.alpha_sigma(log_snr_s)
    alpha_t, sigma_t = gaussian.alpha_sigma(log_snr_t)
    return alpha_t / alpha_s * (z_s - sigma_s * eps) + sigma_t * eps


@dataclasses.dataclass(frozen=True)
class Ddim(SamplerOptions):
    """Options of `make`."""

    eta: float = option(0.0, "Share of the chain's noise, by its standard deviation.")

    @property
    def is_invertible(self) -> bool:
        return self.eta == 0.0


CHOICE = Choice(
    Ddim, lambda options, setting: make(options.eta), frozenset({"memoryless"})
)
