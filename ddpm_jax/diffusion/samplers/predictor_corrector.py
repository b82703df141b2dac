"""Predictor-corrector sampling: ancestral steps, each mended by Langevin dynamics.

At each time that a step leads to, the corrector moves z towards where the model says that
latents of this time are,

    z <- z + e score + sqrt(2 e) noise,      e = 2 (r |noise| / |score|)^2

of each image by norms of its own (Song et al. 2021, arXiv:2011.13456, algorithm 5 without
its factor alpha_t, which is 1 but for a step of the chain).
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


class Plan(NamedTuple):
    """At t: to be mended there, or to go on to s from there."""

    t: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    corrects: Bool[Array, "*rows"]


def make(snr: float = 0.16, num_corrections: int = 1) -> loop.Sampler:
    """Ancestral sampling with the model's variance, and corrections at each time but the first.

    Args:
      snr: r, of a corrector's move, the share of its drift in its noise.
      num_corrections: at each time, one question each.

    Raises:
      ValueError: either is too small.
    """
    if not 0.0 < snr < 1.0:
        raise ValueError(f"snr = {snr}: write a number in (0, 1), such as 0.16.")
    if num_corrections < 1:
        raise ValueError(f"num_corrections = {num_corrections}: write 1 or more.")
    num_questions = 1 + num_corrections

    def plan(log_snr: LogSnr, times: loop.Times) -> Plan:
        # After the step to s, corrections at s.
        there = jnp.repeat(times[1:, None], num_corrections, axis=1)
        t = jnp.concatenate([times[:-1, None], there], axis=1).ravel()
        s = jnp.repeat(times[1:], num_questions)
        corrects = jnp.arange(t.size) % num_questions > 0
        return Plan(t, log_snr(t), log_snr(s), corrects)

    def step(
        state: loop.Latent, prediction: Prediction, row: Plan, noise: Images
    ) -> loop.Latent:
        onward = loop.Transition(row.t, row.log_snr_t, row.log_snr_s)
        z_s = ancestral.draw(ancestral.own_variance, prediction, onward, noise)
        mended = _corrected(state.z, prediction.eps, row.log_snr_t, noise, snr)
        return loop.Latent(jnp.where(row.corrects, mended, z_s))

    return loop.Sampler(plan, loop.Latent, step)


def _corrected(
    z: Images, eps: Images, log_snr: Array, noise: Images, snr: float
) -> Images:
    """One move of Langevin dynamics; the score is -eps / sigma."""
    _, sigma = gaussian.alpha_sigma(log_snr)
    of_noise = gaussian.sum_dims(jnp.square(noise))
    of_eps = jnp.maximum(gaussian.sum_dims(jnp.square(eps)), jnp.finfo(eps.dtype).tiny)
    # Of sigma: e = 2 (r sigma |noise| / |eps|)^2.
    ratio = gaussian.per_example(snr * jnp.sqrt(of_noise / of_eps))
    return z - 2.0 * ratio**2 * sigma * eps + 2.0 * ratio * sigma * noise


@dataclasses.dataclass(frozen=True)
class PredictorCorrector(SamplerOptions):
    """Options of `make`."""

    snr: float = option(0.16, "r, the share of a correction's drift in its noise.")
    num_corrections: int = option(1, "At each time.")


CHOICE = Choice(PredictorCorrector, lambda o, setting: make(o.snr, o.num_corrections))
