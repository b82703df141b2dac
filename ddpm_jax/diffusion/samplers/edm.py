"""Euler's and Heun's method in the noise scale sigma/alpha, with EDM's churn.

In z/alpha the probability flow is d(z/alpha)/d(sigma/alpha) = eps_hat. Before each step the
churn adds noise, so that sigma/alpha grows by a factor 1 + gamma, and the step starts there
(Karras et al. 2022, arXiv:2206.00364, algorithm 2). Here all this is written in z: an Euler
step is DDIM's without noise, and noise is added as by the forward process. The last step, to
no noise at all, is x_hat, as in EDM.
"""

import dataclasses
import math
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ddpm_jax.core.choice import Choice, Options, group, option
from ddpm_jax.diffusion.model import LogSnr, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.process.monotone_curve import inverse_of_decreasing
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import loop
from ddpm_jax.diffusion.samplers.setting import SamplerOptions


@dataclasses.dataclass(frozen=True)
class Churn:
    """The churn of EDM: noise added before steps, which the steps then remove.

    Attributes:
      amount: S_churn, divided among the steps, of which each raises sigma/alpha by a factor
        of at most sqrt(2); 0: none, which leaves an ODE's solver.
      least: S_tmin, sigma/alpha below which no noise is added.
      most: S_tmax, sigma/alpha above which no noise is added.
      noise: S_noise, standard deviation of the added noise.
    """

    amount: float = 0.0
    least: float = 0.0
    most: float = math.inf
    noise: float = 1.0

    def __post_init__(self) -> None:
        for name in ("amount", "least", "noise"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise ValueError(f"{name} = {value}: write a number from 0 on.")
        if not self.most > self.least:
            raise ValueError(
                f"most = {self.most}: write a number above least = {self.least}."
            )


class Plan(NamedTuple):
    """The plan of EDM's methods: a row for each evaluation, in a step from `start` to s.

    Attributes:
      t: time of the evaluation.
      log_snr_start: log SNR at the start of the step, after the churn.
      log_snr_s: log SNR at its end.
      log_snr_next: log SNR at the start of the next step, after its churn.
      is_last: whether the step ends with this evaluation.
    """

    t: Float[Array, "*rows"]
    log_snr_start: Float[Array, "*rows"]
    log_snr_s: Float[Array, "*rows"]
    log_snr_next: Float[Array, "*rows"]
    is_last: Bool[Array, "*rows"]


class _State(NamedTuple):
    """The latent to evaluate next; Euler's end of the step, and eps_hat at its start."""

    z: Images
    euler_end: Images
    eps: Images


def euler(churn: Churn = Churn(), num_steps: int = CONTINUOUS) -> loop.Sampler:
    """Euler's method: first order, one evaluation in a step. num_steps: T of the model."""

    def step(
        state: loop.Latent, prediction: Prediction, row: Plan, noise: Images
    ) -> loop.Latent:
        l_t, l_s = row.log_snr_start, row.log_snr_s
        z = gaussian.posterior_mean(prediction.x, prediction.eps, l_s, l_t, 0.0)
        return loop.Latent(_churned(churn, z, row, noise))

    return loop.Sampler(_make_plan(churn, num_steps, 1), loop.Latent, step)


def heun(churn: Churn = Churn(), num_steps: int = CONTINUOUS) -> loop.Sampler:
    """Heun's method: second order, by the mean of the slopes at both ends of a step."""

    def init(z: Images) -> _State:
        return _State(z, jnp.zeros_like(z), jnp.zeros_like(z))

    def step(state: _State, prediction: Prediction, row: Plan, noise: Images) -> _State:
        l_t, l_s = row.log_snr_start, row.log_snr_s
        eps = prediction.eps
        euler_end = gaussian.posterior_mean(prediction.x, eps, l_s, l_t, 0.0)
        alpha_s, _ = gaussian.alpha_sigma(l_s)
        length = alpha_s * (jnp.exp(-0.5 * l_s) - jnp.exp(-0.5 * l_t))
        corrected = state.euler_end + 0.5 * length * (eps - state.eps)
        return _State(
            z=jnp.where(row.is_last, _churned(churn, corrected, row, noise), euler_end),
            euler_end=euler_end,
            eps=eps,
        )

    return loop.Sampler(_make_plan(churn, num_steps, 2), init, step)


def _churned(churn: Churn, z: Images, row: Plan, noise: Images) -> Images:
    """The latent at s with the noise of the next step's churn added."""
    if not churn.amount:
        return z
    alpha_s, _ = gaussian.alpha_sigma(row.log_snr_s)
    alpha, _ = gaussian.alpha_sigma(row.log_snr_next)
    log_std = 0.5 * gaussian.log_variance(
        jnp.ones_like(row.log_snr_s), row.log_snr_s, row.log_snr_next
    )
    return alpha / alpha_s * z + churn.noise * jnp.exp(log_std) * noise


def _make_plan(churn: Churn, num_steps: int, num_evaluations: int):
    """Makes `plan` of a sampler that evaluates at a step's start, and then at its end."""

    def plan(log_snr: LogSnr, times: loop.Times) -> Plan:
        starts, ends = _churned_times(churn, num_steps, log_snr, times), times[1:]
        following = jnp.append(starts, times[-1])[1:]

        def interleaved(first: Array, later: Array) -> Array:
            return jnp.stack([first, later][:num_evaluations], axis=1).ravel()

        is_last = jnp.arange(ends.size * num_evaluations) % num_evaluations
        return Plan(
            t=interleaved(starts, ends),
            log_snr_start=log_snr(interleaved(starts, starts)),
            log_snr_s=log_snr(interleaved(ends, ends)),
            log_snr_next=log_snr(interleaved(following, following)),
            is_last=is_last == num_evaluations - 1,
        )

    return plan


def _churned_times(
    churn: Churn, num_steps: int, log_snr: LogSnr, times: loop.Times
) -> Float[Array, " intervals"]:
    """The times at which steps start after the churn; a chain's are moved to its grid.

    None is above 1. The first is the grid's: no noise is added to the latent that the sampler
    is given.
    """
    starts = times[:-1]
    if not churn.amount:
        return starts
    start_log_snr = log_snr(starts)
    ratio = jnp.exp(-0.5 * start_log_snr)
    gamma = min(churn.amount / max(1, starts.size), math.sqrt(2.0) - 1.0)
    inside = (ratio >= churn.least) & (ratio <= churn.most)
    raised = inverse_of_decreasing(log_snr)(start_log_snr - 2.0 * math.log1p(gamma))
    if num_steps != CONTINUOUS:
        raised = jnp.round(raised * (num_steps - 1)) / (num_steps - 1)
    churned = jnp.where(inside, jnp.maximum(raised, starts), starts)
    return churned.at[:1].set(starts[:1])


@dataclasses.dataclass(frozen=True)
class ChurnOptions(Options):
    """Options of a `Churn`."""

    amount: float = option(0.0, "S_churn: noise added over all steps; 0: none.")
    least: float = option(0.0, "S_tmin: sigma / alpha below which no noise is added.")
    most: float = option(0.0, "S_tmax: sigma / alpha above which none is; 0: no bound.")
    noise: float = option(1.0, "S_noise: standard deviation of the added noise.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.to_churn()

    def to_churn(self) -> Churn:
        """The churn of these options."""
        return Churn(self.amount, self.least, self.most or math.inf, self.noise)


@dataclasses.dataclass(frozen=True)
class Edm(SamplerOptions):
    """Options of `euler` and `heun`."""

    churn: ChurnOptions = group(ChurnOptions, "Noise that is added before steps.")


EULER = Choice(
    Edm, lambda options, setting: euler(options.churn.to_churn(), setting.num_steps)
)
HEUN = Choice(
    Edm, lambda options, setting: heun(options.churn.to_churn(), setting.num_steps)
)
