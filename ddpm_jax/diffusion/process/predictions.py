"""What a network may predict, and how each becomes estimates of x and eps.

Every kind is two functions: the value it takes for known (x, eps), which is the
network's target, and (x, eps) from a value and z_t. Any two kinds convert through
(x, eps), so a new kind is one new entry of `PARAMETERIZATIONS`.
"""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from ddpm_jax.diffusion.model import Denoise, Diffusion, Prediction
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images

Estimates = tuple[Images, Images]


@dataclasses.dataclass(frozen=True)
class Parameterization:
    """One parameterisation of the denoiser.

    Both functions end with log_snr_s and log_snr_t, [batch]: t is the latent's time and
    s that of the latent before it, which only "mean" uses. log_snr_s = inf stands for
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


def _eps_from_x(z_t: Images, x: Images, log_snr: Array) -> Images:
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(log_snr))
    return (z_t - alpha * x) / sigma


def _eps_estimates(
    eps: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    return _x_from_eps(z_t, eps, log_snr_t), eps


def _x_estimates(
    x: Images, z_t: Images, log_snr_s: Array, log_snr_t: Array
) -> Estimates:
    return x, _eps_from_x(z_t, x, log_snr_t)


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
    """mean = a z_t + b x of q(z_s | z_t, x)."""
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
    return x, _eps_from_x(z_t, x, log_snr_t)


PARAMETERIZATIONS: dict[str, Parameterization] = {
    "eps": Parameterization(
        value=lambda x, eps, l_s, l_t: eps, estimates=_eps_estimates
    ),
    "x": Parameterization(value=lambda x, eps, l_s, l_t: x, estimates=_x_estimates),
    "v": Parameterization(value=_v_value, estimates=_v_estimates),
    "score": Parameterization(value=_score_value, estimates=_score_estimates),
    "mean": Parameterization(value=_mean_value, estimates=_mean_estimates),
}


def clipped(diffusion: Diffusion, bound: float = 1.0) -> Diffusion:
    """The model whose x_hat stays in [-bound, bound]: another model and bound."""
    return _with_estimate(diffusion, lambda x: jnp.clip(x, -bound, bound))


def dynamic_clip(quantile: float = 0.995) -> Callable[[Diffusion], Diffusion]:
    """Makes the model whose x_hat is cut at a quantile of its own size, then scaled.

    With s the quantile of an image's |x_hat|, at least 1, it is clip(x_hat, -s, s) / s
    (Saharia et al. 2022, arXiv:2205.11487, section 2.3).

    Raises:
      ValueError: quantile is not in (0, 1].
    """
    if not 0.0 < quantile <= 1.0:
        raise ValueError(
            f"quantile = {quantile}: write a number in (0, 1], such as 0.995."
        )

    def cut(x: Images) -> Images:
        size = jnp.quantile(jnp.abs(x), quantile, axis=(1, 2, 3), keepdims=True)
        size = jnp.maximum(size, 1.0)
        return jnp.clip(x, -size, size) / size

    return lambda diffusion: _with_estimate(diffusion, cut)


def _with_estimate(
    diffusion: Diffusion, change: Callable[[Images], Images]
) -> Diffusion:
    """The model with its x_hat changed, and its eps_hat moved along."""

    def changed(own: Diffusion) -> Denoise:
        def denoise(z_t: Array, t: Array) -> Prediction:
            prediction = own.denoise(z_t, t)
            x = change(prediction.x)
            return prediction._replace(x=x, eps=_eps_from_x(z_t, x, own.log_snr(t)))

        return denoise

    return diffusion.changed(changed)
