"""RePaint: stretches of the chain gone through several times, so that their parts agree.

    z_u = alpha_{u|s} z_s + sigma_{u|s} noise,      s < u

takes a latent back up, as the forward process does, and the inner sampler comes down again
(Lugmayr et al. 2022, arXiv:2201.09865, algorithm 1). A latent with a known part was made
without regard to it; each pass down is another draw that has regard to what is there now, a
step of a Markov chain towards the conditional distribution. What is known is the matter of
the model (`constraints.constrained`): here is the resampling alone.
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
    """From t down to s, and up again to u, which is s where no jump is due.

    Attributes:
      t: when the network is asked.
      log_snr_t: there.
      log_snr_s: where the inner sampler's step leads.
      log_snr_u: where the next question is.
    """

    t: Float[Array, "*rows"]
    log_snr_t: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    log_snr_u: Float[Array, "*rows"]


def make(
    inner: loop.Sampler, num_resamples: int = 10, jump_length: int = 10
) -> loop.Sampler:
    """A sampler that goes through each stretch of the times several times.

    Args:
      inner: goes down: one that asks once a time and remembers nothing, as ancestral
        sampling and DDIM do.
      num_resamples: r, passes of each stretch; 1 is the inner sampler itself.
      jump_length: j, steps of a stretch.

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
        at = log_snr(times)
        return Plan(times[t], at[t], at[s], at[u])

    def step(
        state: loop.Latent,
        prediction: Prediction,
        row: Plan,
        noise: Float[Array, "2 batch height width channels"],
    ) -> loop.Latent:
        downward = loop.Transition(row.t, row.log_snr_t, row.log_snr_s)
        z_s = inner.step(state, prediction, downward, noise[0]).z
        return loop.Latent(_raised(z_s, row.log_snr_s, row.log_snr_u, noise[1]))

    return loop.Sampler(plan, loop.Latent, step, num_draws=2)


def _raised(z_s: Images, log_snr_s: Array, log_snr_u: Array, noise: Images) -> Images:
    """A draw of q(z_u | z_s); z_s itself where u is s."""
    alpha_s, _ = gaussian.alpha_sigma(log_snr_s)
    alpha_u, sigma_u = gaussian.alpha_sigma(log_snr_u)
    std = sigma_u * jnp.sqrt(gaussian.noise_removed(log_snr_s, log_snr_u))
    return alpha_u / alpha_s * z_s + std * noise


def _passes(
    num_times: int, num_resamples: int, jump_length: int
) -> Int[np.ndarray, "3 questions"]:
    """t, s and u of each question but the last, as latents: 0 is the last time's.

    As in the listing of the paper's appendix: when latent 0, j, 2j, ... is reached, the way
    goes j latents up, r - 1 times each; but not from the j last below the top.
    """
    due = {
        start: num_resamples - 1
        for start in range(0, num_times - jump_length, jump_length)
    }
    rows, t = [], num_times - 1
    while t > 0:
        s = t - 1
        jumps = due.get(s, 0) > 0
        u = s + jump_length if jumps else s
        if jumps:
            due[s] -= 1
        rows.append((t, s, u))
        t = u
    return np.array(rows, int).reshape(-1, 3).T
