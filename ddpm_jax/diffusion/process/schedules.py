"""Noise schedules: functions from time to log signal-to-noise ratio.

    z_t = alpha_t x + sigma_t eps,   alpha_t^2 + sigma_t^2 = 1,   t in [0, 1],
    log_snr(t) = log(alpha_t^2 / sigma_t^2),   strictly decreasing in t.

A model of T = num_steps latents has them at t = k/(T-1), k = 0..T-1: t = 0 is the
first, which has one step of noise already, and t = 1 the last. A table of betas gives
log_snr on that grid exactly and, by monotone interpolation, between its points.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.diffusion.process import betas as tables
from ddpm_jax.diffusion.process import monotone_curve

# alpha^2 or sigma^2 of a log SNR further from 0 is no longer a normal float32.
LARGEST_LOG_SNR = 80.0
# Ho et al. 2020, for T = 1000.
BETA_START, BETA_END = 1e-4, 0.02
# Nichol & Dhariwal 2021.
OFFSET, MAX_BETA = 0.008, 0.999
SHARPNESS = 6.0
# Beyond, the betas of a cosine are no longer told from 0, nor a logistic curve's exponential.
LARGEST_OFFSET, LARGEST_SHARPNESS = 1000.0, 700.0


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A noise schedule and its inverse. Both functions take any shape and keep its dtype.

    Attributes:
      log_snr: t in [0, 1] -> log(alpha_t^2 / sigma_t^2), differentiable.
      inverse: log SNR -> t; 0 or 1 beyond the schedule's ends.
    """

    log_snr: Callable[[Array], Array]
    inverse: Callable[[Array], Array]


def from_betas(betas: np.ndarray) -> Schedule:
    """The schedule of any table of betas, [num_steps], each in (0, 1).

    Its time derivative is that of the interpolating cubic; see
    `monotone_curve.monotone_cubic`.
    """
    table = tables.log_snr(tables.check(betas))
    if not np.all(np.abs(table) <= LARGEST_LOG_SNR):
        raise ValueError(
            f"betas run from log SNR {table[0]:.4g} to {table[-1]:.4g}: beyond "
            f"{LARGEST_LOG_SNR:g} either way float32 loses the signal or the noise; "
            "use fewer steps or other betas"
        )
    log_snr = monotone_curve.monotone_cubic(table)
    return Schedule(log_snr, monotone_curve.inverse_of_decreasing(log_snr))


def linear_beta(
    num_steps: int,
    beta_start: float = BETA_START,
    beta_end: float = BETA_END,
    rescale: bool = False,
) -> Schedule:
    """The schedule of DDPM, of evenly spaced betas; see `betas.linear`."""
    return from_betas(tables.linear(num_steps, beta_start, beta_end, rescale))


def quadratic_beta(num_steps: int, beta_start: float, beta_end: float) -> Schedule:
    """The schedule of betas with evenly spaced square roots; see `betas.quadratic`."""
    return from_betas(tables.quadratic(num_steps, beta_start, beta_end))


def cosine_beta(
    num_steps: int, offset: float = OFFSET, max_beta: float = MAX_BETA
) -> Schedule:
    """The cosine schedule of improved DDPM, as a table; see `betas.cosine`."""
    return from_betas(tables.cosine(num_steps, offset, max_beta))


def sigmoid_beta(
    num_steps: int, beta_start: float, beta_end: float, sharpness: float = SHARPNESS
) -> Schedule:
    """The schedule of betas along a logistic curve; see `betas.sigmoid`."""
    return from_betas(tables.sigmoid(num_steps, beta_start, beta_end, sharpness))


def constant_beta(num_steps: int, beta: float) -> Schedule:
    """The schedule of one beta at every step; see `betas.constant`."""
    return from_betas(tables.constant(num_steps, beta))


def cosine(log_snr_min: float, log_snr_max: float) -> Schedule:
    """The cosine schedule: alpha_t = cos(u), sigma_t = sin(u), with the angle u affine in t.

    The cosine schedule of Nichol & Dhariwal 2021 (arXiv:2102.09672, eq. 17) in
    continuous time, its ends cut at finite log SNR instead of by an offset:
    log_snr(t) = -2 log tan(u).

    Args:
      log_snr_min: log SNR at t = 1.
      log_snr_max: log SNR at t = 0.
    """
    _check_ends(log_snr_min, log_snr_max)
    # The angle at t = 0, and at t = 1 the angle that is left to pi/2: near pi/2 itself
    # float32 has too few digits for its tangent.
    first = math.atan(math.exp(-0.5 * log_snr_max))
    left = math.atan(math.exp(0.5 * log_snr_min))
    span = 0.5 * math.pi - first - left

    def log_snr(t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        sigma = jnp.sin(first + span * t)
        alpha = jnp.sin(left + span * (1.0 - t))
        return 2.0 * (jnp.log(alpha) - jnp.log(sigma))

    def inverse(log_snr: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        clean = log_snr > 0.0
        smaller = jnp.arctan(jnp.exp(-0.5 * jnp.where(clean, log_snr, -log_snr)))
        t = jnp.where(clean, (smaller - first) / span, 1.0 - (smaller - left) / span)
        return jnp.clip(t, 0.0, 1.0)

    return Schedule(log_snr, inverse)


def linear_log_snr(log_snr_min: float, log_snr_max: float) -> Schedule:
    """The schedule linear in log SNR: log_snr(t) = (1 - t) log_snr_max + t log_snr_min.

    It is the fixed schedule of Kingma et al. 2021 (arXiv:2107.00630), who write it as
    gamma(t) = -log_snr(t).
    """
    _check_ends(log_snr_min, log_snr_max)

    def log_snr(t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return (1.0 - t) * log_snr_max + t * log_snr_min

    def inverse(log_snr: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        t = (log_snr_max - log_snr) / (log_snr_max - log_snr_min)
        return jnp.clip(t, 0.0, 1.0)

    return Schedule(log_snr, inverse)


def _check_ends(log_snr_min: float, log_snr_max: float) -> None:
    if not -LARGEST_LOG_SNR <= log_snr_min < log_snr_max <= LARGEST_LOG_SNR:
        raise ValueError(
            f"{log_snr_min=}, {log_snr_max=}: the first must be below the second, and "
            f"both within {-LARGEST_LOG_SNR:g} and {LARGEST_LOG_SNR:g}"
        )


def _beta(default: float, meaning: str) -> Any:
    return option(default, meaning, above=0.0, below=1.0)


@dataclasses.dataclass(frozen=True)
class BetaEnds(Options):
    """The two ends of a table of betas."""

    beta_start: float = _beta(BETA_START, "The first beta.")
    beta_end: float = _beta(BETA_END, "The last beta.")


@dataclasses.dataclass(frozen=True)
class LinearBeta(BetaEnds):
    """Options of `linear_beta`."""

    rescale: bool = option(False, "Betas of T = 1000, scaled to another T.")


@dataclasses.dataclass(frozen=True)
class CosineBeta(Options):
    """Options of `cosine_beta`."""

    offset: float = option(
        OFFSET,
        "Offset s of Nichol & Dhariwal; it keeps betas above 0.",
        at_least=0.0,
        at_most=LARGEST_OFFSET,
    )
    max_beta: float = _beta(MAX_BETA, "The largest beta; larger ones are cut to it.")


@dataclasses.dataclass(frozen=True)
class SigmoidBeta(BetaEnds):
    """Options of `sigmoid_beta`."""

    sharpness: float = option(
        SHARPNESS,
        "The logistic curve is taken from -sharpness to +sharpness.",
        above=0.0,
        at_most=LARGEST_SHARPNESS,
    )


@dataclasses.dataclass(frozen=True)
class ConstantBeta(Options):
    """Options of `constant_beta`."""

    beta: float = _beta(0.01, "The beta of every step.")


def _log_snr(default: float, meaning: str) -> Any:
    return option(default, meaning, at_least=-LARGEST_LOG_SNR, at_most=LARGEST_LOG_SNR)


@dataclasses.dataclass(frozen=True)
class LogSnrEnds(Options):
    """The two ends of a schedule in log SNR."""

    log_snr_min: float = _log_snr(-10.0, "Log SNR at t = 1.")
    log_snr_max: float = _log_snr(10.0, "Log SNR at t = 0.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.log_snr_min < self.log_snr_max:
            raise ValueError(
                f"log_snr_min = {self.log_snr_min} must be below log_snr_max ="
                f" {self.log_snr_max}: there is less signal at t = 1."
            )


# The trait of a schedule that is a table of T betas: continuous time has none.
HAS_TABLE = frozenset({"table_of_T"})
# Each makes a `Schedule` of its options and T, `num_steps`.
SCHEDULES: Table = {
    "linear_beta": Choice(
        LinearBeta,
        lambda options, num_steps: linear_beta(
            num_steps, options.beta_start, options.beta_end, options.rescale
        ),
        HAS_TABLE,
    ),
    "quadratic_beta": Choice(
        BetaEnds,
        lambda options, num_steps: quadratic_beta(
            num_steps, options.beta_start, options.beta_end
        ),
        HAS_TABLE,
    ),
    "cosine_beta": Choice(
        CosineBeta,
        lambda options, num_steps: cosine_beta(
            num_steps, options.offset, options.max_beta
        ),
        HAS_TABLE,
    ),
    "sigmoid_beta": Choice(
        SigmoidBeta,
        lambda options, num_steps: sigmoid_beta(
            num_steps, options.beta_start, options.beta_end, options.sharpness
        ),
        HAS_TABLE,
    ),
    "constant_beta": Choice(
        ConstantBeta,
        lambda options, num_steps: constant_beta(num_steps, options.beta),
        HAS_TABLE,
    ),
    "cosine": Choice(
        LogSnrEnds,
        lambda options, num_steps: cosine(options.log_snr_min, options.log_snr_max),
    ),
    "linear_log_snr": Choice(
        LogSnrEnds,
        lambda options, num_steps: linear_log_snr(
            options.log_snr_min, options.log_snr_max
        ),
    ),
}
