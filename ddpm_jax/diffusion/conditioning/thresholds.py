"""Thresholds of x_hat: models whose estimate of the data stays within the data's range."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from ddpm_jax.core.choice import Choice, Options, Table, option
from ddpm_jax.diffusion.model import Denoise, Diffusion, Prediction
from ddpm_jax.diffusion.process import predictions
from ddpm_jax.diffusion.process.gaussian import Images


def clipped(diffusion: Diffusion, bound: float = 1.0) -> Diffusion:
    """The model with x_hat clipped to [-bound, bound], which has a likelihood of its own."""
    return _with_estimate(diffusion, lambda x: jnp.clip(x, -bound, bound))


@dataclasses.dataclass(frozen=True)
class Dynamic(Options):
    """Options of `dynamic`."""

    quantile: float = option(
        0.995,
        "Quantile of an image's |x_hat| at which x_hat is clipped.",
        above=0.0,
        at_most=1.0,
        remedy="write a number in (0, 1], such as 0.995",
    )


def dynamic(options: Dynamic = Dynamic()) -> Callable[[Diffusion], Diffusion]:
    """Dynamic thresholding: x_hat is clipped at a quantile of its own size, then scaled.

    With s the quantile of an image's |x_hat|, or 1 if that is larger, the new estimate is
    clip(x_hat, -s, s) / s
    (Saharia et al. 2022, arXiv:2205.11487, section 2.3).
    """

    def threshold(x: Images) -> Images:
        size = jnp.quantile(jnp.abs(x), options.quantile, axis=(1, 2, 3), keepdims=True)
        size = jnp.maximum(size, 1.0)
        return jnp.clip(x, -size, size) / size

    return lambda diffusion: _with_estimate(diffusion, threshold)


def _with_estimate(
    diffusion: Diffusion, change: Callable[[Images], Images]
) -> Diffusion:
    """The model with x_hat changed, and eps_hat so that alpha x_hat + sigma eps_hat = z_t."""

    def with_change(model: Diffusion) -> Denoise:
        def denoise(z_t: Array, t: Array) -> Prediction:
            prediction = model.denoise(z_t, t)
            x = change(prediction.x)
            return prediction._replace(
                x=x, eps=predictions.eps_from_x(z_t, x, model.log_snr(t))
            )

        return denoise

    return diffusion.changed(with_change)


# Each makes a function from `Diffusion` to `Diffusion`. "cuts_to_range": x_hat stays within
# [-1, 1].
CUTS = frozenset({"cuts_to_range"})
THRESHOLDS: Table = {
    "none": Choice(Options, lambda _: lambda diffusion: diffusion),
    "static": Choice(Options, lambda _: clipped, CUTS),
    "dynamic": Choice(Dynamic, dynamic, CUTS),
}
