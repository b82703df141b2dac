"""The gradient of the variance of a loss's estimate, at no cost beside the loss's gradient.

In continuous time the diffusion term does not depend on a schedule between its ends, so
the gradient of its estimate there has mean zero: there is nothing to learn from it. The
variance of the estimate does depend on it. With L_i an example's loss at its time, and b_i the
mean of such losses as far as stratified times remove its contribution to the variance,

    d Var / d eta = E[2 (L_i - b_i) dL_i / d eta],

where L_i depends on eta through two numbers alone, log SNR and its slope at t_i. The backward
pass of the network's gradient yields their derivatives, one pair for each example, which are
then scaled by 2 (L_i - b_i) on their way to eta (Kingma et al. 2021,
arXiv:2107.00630, appendix I.2, where b_i is 0). docs/math.md has the derivation.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jaxtyping import Array, Float

from ddpm_jax.diffusion.likelihood.terms import Coordinates
from ddpm_jax.diffusion.model import LogSnr

Loss = Callable[[Any, Coordinates, Any], Array]
RoutedLoss = Callable[
    [Any, Coordinates, Coordinates, Array, Any], Float[Array, " batch"]
]


def route(loss: Loss) -> RoutedLoss:
    """Splits the gradient of a loss into that of its mean and that of its variance.

    Args:
      loss: (params, coordinates, rest) -> [batch]; example i of the result depends on the
        coordinates of example i alone. `rest` has no gradient.

    Returns:
      (params, coordinates, same coordinates, expected b, rest) -> the same losses. Params
      and the first coordinates receive their own gradient, the second ones 2 (L_i - b_i)
      times it. With cotangents w_i / n, w_i the weight of a time drawn by importance, it is
      still the gradient of the variance at uniform times, which a schedule can lower; times
      drawn by importance do not depend on the schedule.
    """

    @jax.custom_vjp
    def routed(
        params: Any,
        for_mean: Coordinates,
        for_variance: Coordinates,
        expected: Array,
        rest: Any,
    ) -> Array:
        del for_variance, expected
        return loss(params, for_mean, rest)

    def forward(
        params: Any,
        for_mean: Coordinates,
        for_variance: Coordinates,
        expected: Array,
        rest: Any,
    ) -> tuple[Array, Any]:
        del for_variance
        losses, pull_back = jax.vjp(
            lambda params, at: loss(params, at, rest), params, for_mean
        )
        return losses, (pull_back, 2.0 * (losses - expected))

    def backward(residuals: Any, cotangent: Array) -> tuple[Any, ...]:
        pull_back, scale = residuals
        params_gradient, for_mean = pull_back(cotangent)
        return (
            params_gradient,
            for_mean,
            jax.tree.map(scale.__mul__, for_mean),
            None,
            None,
        )

    routed.defvjp(forward, backward)
    return routed


def tangent(at: Coordinates, times: Float[Array, " batch"]) -> LogSnr:
    """The tangents of a schedule at these times, as a schedule.

    A gradient through them reaches the coordinates, rather than the schedule itself.
    """
    return lambda t: at.log_snr + at.slope * (t - lax.stop_gradient(times))
