"""RePaint: segments of the chain passed through several times, so that all parts agree.

    z_u = alpha_{u|s} z_s + sigma_{u|s} noise,      s < u

noises a latent again, as the forward process does, and the inner sampler denoises it again
(Lugmayr et al. 2022, arXiv:2201.09865, algorithm 1). The unknown part of a latent was drawn
without regard to the known part; each further pass draws it anew given the present latent, a
step of a Markov chain towards the conditional distribution. The constraint itself belongs to
the model (`linear_constraints.constrained`): here is the resampling alone.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.model import LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import loop


class Plan(NamedTuple):
    """The plan: a row for each step from t down to s, and up to u, which is s without a jump.

    Attributes:
      t: time of the evaluation.
      log_snr_t: log SNR at t.
      log_snr_s: log SNR at the end of the inner sampler's step.
      log_snr_u: log SNR of the next evaluation.
    """

    t: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    log_snr_u: Float[Array, "*rows"]


def make(
    inner: loop.Sampler, num_resamples: int = 10, jump_length: int = 10
) -> loop.Sampler:
    """The sampler that passes through each segment of the times several times.

    Args:
      inner: sampler of the downward steps, with one evaluation at each time and no memory:
        ancestral sampling or DDIM.
      num_resamples: number r of passes through each segment; 1 is the inner sampler itself.
      jump_length: number j of steps in a segment.

    Raises:
      ValueError: a number is below 1, or the inner sampler is of another kind; from the
        plan, that there are too few times for a jump.
    """
    for name, value in (("num_resamples", num_resamples), ("jump_length", jump_length)):
        if value < 1:
            raise ValueError(f"{name} = {value}: write 1 or more.")
    if inner.plan is not loop.transitions or inner.init is not loop.Latent:
        raise ValueError(
            "inner asks more than once a time, or remembers: write ancestral or ddim."
        )
    if num_resamples == 1:
        return inner

    def plan(log_snr: LogSnr, times: loop.Times) -> Plan:
        num_times = times.shape[0]
        if 1 < num_times <= jump_length:
            raise ValueError(
                f"jump_length = {jump_length}: write less than the {num_times} times."
            )
        last = num_times - 1
        t, s, u = last - _passes(num_times, num_resamples, jump_length)
        log_snrs = log_snr(times)
        return Plan(times[t], log_snrs[t], log_snrs[s], log_snrs[u])

    def step(
        state: loop.Latent,
        prediction: Prediction,
        row: Plan,
        noise: Float[Array, "2 batch height width channels"],
    ) -> loop.Latent:
        downward = loop.Transition(row.t, row.log_snr_t, row.log_snr_s)
        z_s = inner.step(state, prediction, downward, noise[0]).z
        return loop.Latent(_noised(z_s, row.log_snr_s, row.log_snr_u, noise[1]))

    return loop.Sampler(plan, loop.Latent, step, num_draws=2)


def _noised(z_s: Images, log_snr_s: Array, log_snr_u: Array, noise: Images) -> Images:
    """A draw of q(z_u | z_s); z_s itself where u is s."""
    alpha_s, _ = gaussian.alpha_sigma(log_snr_s)
    alpha_u, sigma_u = gaussian.alpha_sigma(log_snr_u)
    std = sigma_u * jnp.sqrt(gaussian.noise_removed(log_snr_s, log_snr_u))
    return alpha_u / alpha_s * z_s + std * noise


def _passes(
    num_times: int, num_resamples: int, jump_length: int
) -> Int[np.ndarray, "3 questions"]:
    """The latents t, s and u of each evaluation but the last; latent 0 is at the last time.

    As in the listing of the paper's appendix: whenever latent 0, j, 2j, ... is reached, j
    latents are jumped up, r - 1 times each; but not from the last j below the top.
    """
    jumps_left = {
        start: num_resamples - 1
        for start in range(0, num_times - jump_length, jump_length)
    }
    rows, t = [], num_times - 1
    while t > 0:
        s = t - 1
        is_jump = jumps_left.get(s, 0) > 0
        u = s + jump_length if is_jump else s
        if is_jump:
            jumps_left[s] -= 1
        rows.append((t, s, u))
        t = u
    return np.array(rows, int).reshape(-1, 3).T
