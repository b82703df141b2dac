"""Parameterisations of the denoiser: predictions of a network as estimates of x and eps.

Every parameterisation is two functions: the network's target for known (x, eps), and the
estimates of (x, eps) from the network's output and z_t. Any two convert through (x, eps), so a
new one is one new entry of `PREDICTIONS`.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images

Estimates = tuple[Images, Images]


@dataclasses.dataclass(frozen=True)
class Parameterization:
    """One parameterisation of the denoiser.

    Both functions end with log_snr_s and log_snr_t, [batch]: t is the latent's time and
    s that of the less noisy one next to it, which only "mean" uses. log_snr_s = inf stands for
    the data itself, before the first latent.

    Attributes:
      value: (x, eps, log_snr_s, log_snr_t) -> the network's target, shaped like x.
      estimates: (value, z_t, log_snr_s, log_snr_t) -> (x_hat, eps_hat).
    """

    value: Callable[[Images, Images, Array, Array], Images]
    estimates: Callable[[Images, Images, Array, Array], Estimates]


def _x_from_eps(z_t: Images, eps: Images, log_snr: Array) -> Images:
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr))
    return (z_t - sigma * eps) / alpha


def eps_from_x(z_t: Images, x: Images, log_snr: Array) -> Images:
    """The noise eps with z_t = alpha x + sigma eps."""
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr))
    return (z_t - alpha * x) / sigma


def _eps_estimates(
    eps: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    return _x_from_eps(z_t, eps, log_snr_t), eps


def _x_estimates(
    x: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    return x, eps_from_x(z_t, x, log_snr_t)


def _v_value(x: Images, eps: Images, log_snr_s: Array, log_snr_t: Array) -> Images:
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr_t))
    return alpha * eps - sigma * x


def _v_estimates(
    v: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr_t))
    return alpha * z_t - sigma * v, sigma * z_t + alpha * v


def _score_value(x: Images, eps: Images, log_snr_s: Array, log_snr_t: Array) -> Images:
    _, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr_t))
    return -eps / sigma


def _score_estimates(
    score: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    _, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr_t))
    eps = -sigma * score
    return _x_from_eps(z_t, eps, log_snr_t), eps


def _mean_coefficients(log_snr_s: Array, log_snr_t: Array) -> tuple[Array, Array]:
    """Coefficients (a, b) of the mean a z_t + b x of q(z_s | z_t, x)."""
    l_s, l_t = gaussian.per_example(log_snr_s), gaussian.per_example(log_snr_t)
    alpha_s, _ = gaussian.alpha_sigma(l_s)
    alpha_t, _ = gaussian.alpha_sigma(l_t)
    return (
        alpha_s / alpha_t * jnp.exp(l_t - l_s),
        alpha_s * gaussian.noise_removed(l_s, l_t),
    )


def _mean_value(x: Images, eps: Images, log_snr_s: Array, log_snr_t: Array) -> Images:
    z_t = gaussian.diffuse(x, eps, log_snr_t)
    a, b = _mean_coefficients(log_snr_s, log_snr_t)
    return a * z_t + b * x


def _mean_estimates(
    mean: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    a, b = _mean_coefficients(log_snr_s, log_snr_t)
    x = (mean - a * z_t) / b
    return x, eps_from_x(z_t, x, log_snr_t)


def _choice(
    value: Callable[[Images, Images, Array, Array], Images],
    estimates: Callable[[Images, Images, Array, Array], Estimates],
    *traits: str,
) -> Choice:
    parameterization = Parameterization(value, estimates)
    return Choice(Options, lambda _: parameterization, frozenset(traits))


# Each makes a `Parameterization`. "needs_previous_latent": it is defined only at a chain's
# latents, not at the times between them.
PREDICTIONS: Table = {
    "eps": _choice(lambda x, eps, l_s, l_t: eps, _eps_estimates),
    "x": _choice(lambda x, eps, l_s, l_t: x, _x_estimates),
    "v": _choice(_v_value, _v_estimates),
    "score": _choice(_score_value, _score_estimates),
    "mean": _choice(_mean_value, _mean_estimates, "needs_previous_latent"),
}


def with_x(
    prediction: Prediction, x: Images, log_snr: Float[Array, " batch"]
) -> Prediction:
    """The prediction with this x_hat, and its eps_hat moved along.

    eps + alpha/sigma (x_hat - x) keeps alpha x_hat + sigma eps_hat = z_t, and where x is
    x_hat it changes no bit of eps_hat, which (z_t - alpha x) / sigma would round again.
    """
    ratio = jnp.exp(0.5 * gaussian.per_example(log_snr))
    return prediction._replace(x=x, eps=prediction.eps + ratio * (prediction.x - x))
