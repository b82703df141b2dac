"""DDIM: less noise a step than the chain puts in, with the same marginals; and its inverse.

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
    """DDIM with the given share of the chain's noise.

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
    """A question on the way up, at t: of the step from s, less noisy, to t.

    Attributes:
      t: when the network is asked.
      log_snr_s: where the step comes from.
      log_snr_t: where it leads, and where the network is asked.
      log_snr_next: where the network is asked next.
      is_last: whether the step ends with this question.
    """

    t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_next: Float[Array, "*rows"]
    is_last: Bool[Array, "*rows"]


class _InversionState(NamedTuple):
    z: Images
    start: Images


def inverse(num_iterations: int = 3) -> loop.Sampler:
    """From z_0 up to the z_1 from which `make(eta=0)` comes back to it.

    Times increase from 0 to 1. A step down from z_t leads to z_s where

        z_t = alpha_t/alpha_s z_s + (sigma_t - alpha_t/alpha_s sigma_s) eps_hat(z_t, t)

    which is solved for z_t by fixed-point iteration (Pan et al. 2023, arXiv:2309.04907),
    from the noise estimated before. Asking only at z_s would leave an error of the order of
    the step's length.

    Args:
      num_iterations: questions a step.

    Raises:
      ValueError: num_iterations is below 1.
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations = {num_iterations}: write 1 or more.")

    def plan(log_snr: LogSnr, times: loop.Times) -> InversionPlan:
        # The first question, at s of the first step, is a step of no length.
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
        arrived = _lifted(state.start, eps, row.log_snr_s, row.log_snr_t)
        ahead = _lifted(arrived, eps, row.log_snr_t, row.log_snr_next)
        return _InversionState(
            z=jnp.where(row.is_last, ahead, arrived),
            start=jnp.where(row.is_last, arrived, state.start),
        )

    return loop.Sampler(plan, lambda z: _InversionState(z, z), step)


def _lifted(z_s: Images, eps: Images, log_snr_s: Array, log_snr_t: Array) -> Images:
    """z_t with the x of z_s and this eps."""
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


CHOICE = Choice(Ddim, lambda o, setting: make(o.eta), frozenset({"memoryless"}))
