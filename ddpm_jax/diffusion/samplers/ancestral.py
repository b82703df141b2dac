"""Ancestral sampling: the reverse chain itself.

    z_s ~ p(z_s | z_t) = N(mean of q(z_s | z_t, x_hat), reverse variance)

(Ho et al. 2020, arXiv:2006.11239, algorithm 2.)
"""

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import loop
from ddpm_jax.diffusion.samplers.setting import LogVariance, SamplerOptions, Setting


def model_variance(prediction: Prediction, log_snr_s: Array, log_snr_t: Array) -> Array:
    """The log reverse variance that the model predicts."""
    return gaussian.log_variance(prediction.variance_fraction, log_snr_s, log_snr_t)


def fixed_variance(fraction: float) -> LogVariance:
    """The log reverse variance at a fixed fraction between posterior (0) and forward (1)."""

    def log_variance(
        prediction: Prediction, log_snr_s: Array, log_snr_t: Array
    ) -> Array:
        fixed = jnp.asarray(fraction, log_snr_s.dtype)
        return gaussian.log_variance(fixed, log_snr_s, log_snr_t)

    return log_variance


def make(log_variance: LogVariance = model_variance) -> loop.Sampler:
    """The ancestral sampler with the given log variance, by default the model's."""

    def step(
        state: loop.Latent,
        prediction: Prediction,
        row: loop.Transition,
        noise: Images,
    ) -> loop.Latent:
        return loop.Latent(draw(log_variance, prediction, row, noise))

    return loop.Sampler(loop.transitions, loop.Latent, step)


def draw(
    log_variance: LogVariance,
    prediction: Prediction,
    row: loop.Transition,
    noise: Images,
) -> Images:
    """A draw of p(z_s | z_t)."""
    l_s, l_t = row.log_snr_s, row.log_snr_t
    mean = gaussian.posterior_mean(prediction.x, prediction.eps, l_s, l_t)
    return mean + jnp.exp(0.5 * log_variance(prediction, l_s, l_t)) * noise


# Log variances by name; None: estimated from data, as in `analytic_variance`.
VARIANCES: Mapping[str, LogVariance | None] = {
    "model": model_variance,
    "posterior": fixed_variance(0.0),
    "forward": fixed_variance(1.0),
    "analytic": None,
}


@dataclasses.dataclass(frozen=True)
class Ancestral(SamplerOptions):
    """Options of `make`."""

    variance: str = option("model", "The reverse process's variance.", one_of=VARIANCES)
    num_examples: int = option(
        256,
        "Training examples from which the analytic variance is estimated.",
        at_least=1,
    )

    @property
    def variance_examples(self) -> int:
        return self.num_examples if VARIANCES[self.variance] is None else 0

    @property
    def of_no_effect(self) -> tuple[str, ...]:
        return () if self.variance_examples else ("num_examples",)


def _make(options: Ancestral, setting: Setting) -> loop.Sampler:
    return make(setting.log_variance or VARIANCES[options.variance] or model_variance)


CHOICE = Choice(Ancestral, _make, frozenset({"memoryless"}))
