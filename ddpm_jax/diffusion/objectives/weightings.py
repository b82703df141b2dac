"""Published weightings of the denoising loss, as functions of log SNR.

A weighting multiplies |v - v_hat|^2 (`gaussian.velocity_error`), whatever the network
predicts. Papers put theirs on other errors, which differ by a factor (SNR = e^l):

    |eps - eps_hat|^2 = alpha^2 |v - v_hat|^2        alpha^2 = sigmoid(l)
    |x - x_hat|^2     = sigma^2 |v - v_hat|^2        sigma^2 = sigmoid(-l)

With the factor multiplied in, every weight here is finite and keeps its digits at any
l. Those published as a weight on the bound's integrand (Kingma & Gao 2023,
arXiv:2303.00848: 1/2 w(l) |eps - eps_hat|^2 dl) are `per_log_snr`: the loss also
multiplies them by -dl/dt, and its mean over uniform t is the same for any schedule.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ddpm_jax.core.choice import Choice, Options, Table, option


@dataclasses.dataclass(frozen=True)
class Weighting:
    """A weight on |v - v_hat|^2.

    Attributes:
      weight: log SNR, any shape -> weight, same shape.
      per_log_snr: whether the weight is a density over log SNR, to be multiplied by
        -dlog_snr/dt where times are drawn uniformly.
    """

    weight: Callable[[Array], Array]
    per_log_snr: bool = False


def simple() -> Weighting:
    """The weighting |eps - eps_hat|^2, L_simple (Ho et al. 2020, arXiv:2006.11239, eq. 14)."""
    return Weighting(jax.nn.sigmoid)


def x() -> Weighting:
    """The weighting |x - x_hat|^2."""
    return Weighting(lambda log_snr: jax.nn.sigmoid(-log_snr))


def v() -> Weighting:
    """The weighting |v - v_hat|^2: "SNR + 1" of Salimans & Ho 2022 (arXiv:2202.00512)."""
    return Weighting(jnp.ones_like)


def truncated_snr() -> Weighting:
    """The weighting max(SNR, 1) |x - x_hat|^2 (Salimans & Ho 2022, arXiv:2202.00512)."""
    return Weighting(lambda log_snr: jax.nn.sigmoid(jnp.abs(log_snr)))


@dataclasses.dataclass(frozen=True)
class MinSnr(Options):
    """Options of `min_snr`."""

    gamma: float = option(5.0, "SNR beyond which the weight on x falls.", above=0.0)


def min_snr(options: MinSnr = MinSnr()) -> Weighting:
    """The weighting min(SNR, gamma) |x - x_hat|^2 (Hang et al. 2023, arXiv:2303.09556)."""
    return Weighting(
        lambda log_snr: jnp.minimum(
            jax.nn.sigmoid(log_snr), options.gamma * jax.nn.sigmoid(-log_snr)
        )
    )


# Of k + SNR: beyond, float32 cannot hold the weight of log SNRs that are used.
LEAST_POWER, LARGEST_POWER = -4.0, 100.0


@dataclasses.dataclass(frozen=True)
class P2(Options):
    """Options of `p2`."""

    k: float = option(1.0, "Added to SNR.", above=0.0, finite=True)
    gamma: float = option(
        1.0,
        "The power of k + SNR; 0 is `simple`.",
        at_least=LEAST_POWER,
        at_most=LARGEST_POWER,
    )


def p2(options: P2 = P2()) -> Weighting:
    """The weighting |eps - eps_hat|^2 / (k + SNR)^gamma (P2, arXiv:2204.00227)."""
    return Weighting(
        lambda log_snr: (
            jax.nn.sigmoid(log_snr)
            * jnp.exp(-options.gamma * jnp.logaddexp(log_snr, math.log(options.k)))
        )
    )


@dataclasses.dataclass(frozen=True)
class Sigmoid(Options):
    """Options of `sigmoid`."""

    bias: float = option(2.0, "Minus the log SNR at which the weight is a half.")


def sigmoid(options: Sigmoid = Sigmoid()) -> Weighting:
    """The weighting w(l) = sigmoid(bias - l) of the bound (Kingma & Gao 2023).

    Monotone, so the loss is a bound on the likelihood of noised data. A larger bias
    weights finer detail; as it grows the loss becomes the bound itself."""
    return Weighting(
        lambda log_snr: (
            0.5 * jax.nn.sigmoid(log_snr) * jax.nn.sigmoid(options.bias - log_snr)
        ),
        per_log_snr=True,
    )


@dataclasses.dataclass(frozen=True)
class Edm(Options):
    """Options of `edm`."""

    sigma_data: float = option(0.5, "Standard deviation of the data.", above=0.0)
    log_sigma_mean: float = option(-1.2, "Mean of log(sigma / alpha) in training.")
    log_sigma_std: float = option(1.2, "Its standard deviation.", above=0.0)


def edm(options: Edm = Edm()) -> Weighting:
    """The weighting of Karras et al. 2022 (arXiv:2206.00364), as Kingma & Gao rewrite it.

    There log(sigma/alpha) = -l/2 is normal and |x - x_hat|^2 has the weight
    (sigma_data^2 + 1/SNR) SNR / sigma_data^2, which makes the loss about 1 at every l
    for a network that outputs zero through their preconditioning.
    """
    mean, std = -2.0 * options.log_sigma_mean, 2.0 * options.log_sigma_std

    def weight(log_snr: Array) -> Array:
        deviation = (log_snr - mean) / std
        density = jnp.exp(-0.5 * deviation**2) / (std * math.sqrt(2.0 * math.pi))
        # sigma^2 SNR (1/SNR + sigma_data^2) = sigma^2 + alpha^2 sigma_data^2.
        return density * (
            jax.nn.sigmoid(-log_snr) / options.sigma_data**2 + jax.nn.sigmoid(log_snr)
        )

    return Weighting(weight, per_log_snr=True)


WEIGHTINGS: Table = {
    "simple": Choice(Options, lambda _: simple()),
    "x": Choice(Options, lambda _: x()),
    "v": Choice(Options, lambda _: v()),
    "truncated_snr": Choice(Options, lambda _: truncated_snr()),
    "min_snr": Choice(MinSnr, min_snr),
    "p2": Choice(P2, p2),
    "sigmoid": Choice(Sigmoid, sigmoid),
    "edm": Choice(Edm, edm),
}
