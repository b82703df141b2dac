"""Predictor-corrector sampling: ancestral steps, each corrected by Langevin dynamics.

At each time that a step leads to, the corrector moves z towards the model's distribution of
latents at this time,

    z <- z + e score + sqrt(2 e) noise,      e = 2 (r |noise| / |score|)^2

with the norms of each image by itself (Song et al. 2021, arXiv:2011.13456, algorithm 5 without
its factor alpha_t, which is 1 up to a step of the chain). A point of few numbers has a score
near 0 in too many places for that, and the mean length of a move no bound: there the ratio of
the norms is what it is expected to be for noise that is rightly estimated, sigma.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.model import LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import ancestral, loop
from ddpm_jax.diffusion.samplers.setting import SamplerOptions

# Numbers of a sample from which its norms say something.
FEWEST = 4


class Plan(NamedTuple):
    """The plan: a row for each evaluation at t, for a correction at t or a step from t to s."""

    t: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    corrects: Bool[Array, "*rows"]


def make(snr: float = 0.16, num_corrections: int = 1) -> loop.Sampler:
    """The ancestral sampler with the model's variance, and corrections after its steps.

    Args:
      snr: r, ratio of a correction's drift to its noise.
      num_corrections: corrections at each time, of one evaluation each.

    Raises:
      ValueError: either is too small.
    """
    if not 0.0 < snr < 1.0:
        raise ValueError(f"snr = {snr}: write a number in (0, 1), such as 0.16.")
    if num_corrections < 1:
        raise ValueError(f"num_corrections = {num_corrections}: write 1 or more.")
    num_evaluations = 1 + num_corrections

    def plan(log_snr: LogSnr, times: loop.Times) -> Plan:
        # After the step to s, corrections at s.
        correction_times = jnp.repeat(times[1:, None], num_corrections, axis=1)
        t = jnp.concatenate([times[:-1, None], correction_times], axis=1).ravel()
        s = jnp.repeat(times[1:], num_evaluations)
        corrects = jnp.arange(t.size) % num_evaluations > 0
        return Plan(t, log_snr(t), log_snr(s), corrects)

    def step(
        state: loop.Latent, prediction: Prediction, row: Plan, noise: Images
    ) -> loop.Latent:
        transition = loop.Transition(row.t, row.log_snr_t, row.log_snr_s)
        z_s = ancestral.draw(ancestral.model_variance, prediction, transition, noise)
        corrected = _corrected(state.z, prediction.eps, row.log_snr_t, noise, snr)
        return loop.Latent(jnp.where(row.corrects, corrected, z_s))

    return loop.Sampler(plan, loop.Latent, step)


def _corrected(
    z: Images, eps: Images, log_snr: Array, noise: Images, snr: float
) -> Images:
    """The latent after one step of Langevin dynamics, with the score -eps / sigma."""
    _, sigma = gaussian.alpha_sigma(log_snr)
    if z[0].size < FEWEST:
        return z - 2.0 * snr**2 * sigma * eps + 2.0 * snr * sigma * noise
    noise_norm_sq = gaussian.sum_dims(jnp.square(noise))
    eps_norm_sq = jnp.maximum(
        gaussian.sum_dims(jnp.square(eps)), jnp.finfo(eps.dtype).tiny
    )
    # In terms of eps the step size is e = 2 (r sigma |noise| / |eps|)^2.
    ratio = gaussian.per_example(snr * jnp.sqrt(noise_norm_sq / eps_norm_sq))
    return z - 2.0 * ratio**2 * sigma * eps + 2.0 * ratio * sigma * noise


@dataclasses.dataclass(frozen=True)
class PredictorCorrector(SamplerOptions):
    """Options of `make`."""

    snr: float = option(0.16, "Ratio r of a correction's drift to its noise.")
    num_corrections: int = option(
        1, "Corrections at each time.", at_least=1, at_most=1000
    )


CHOICE = Choice(
    PredictorCorrector,
    lambda options, setting: make(options.snr, options.num_corrections),
)
