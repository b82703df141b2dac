"""The gradient that makes a loss estimator's variance least, for the cost of the loss's own.

In continuous time the diffusion term does not depend on a schedule between its ends, so
its estimate from random times has there a gradient of mean zero: nothing to learn from. Its
variance does depend on it. With L_i an example's loss at its time and b_i what such losses
are on average, so far as the batch's layout makes that average cost nothing,

    d Var / d eta = E[2 (L_i - b_i) dL_i / d eta],

where L_i hangs on eta by two numbers alone, log SNR and its slope at t_i. Their derivatives
come out of the very backward pass that gives the network's gradient, one pair an example:
it is left to scale them by 2 (L_i - b_i) on their way to eta (Kingma et al. 2021,
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
    """Splits the gradient of a loss between those who seek its mean and its variance.

    Args:
      loss: (params, coordinates, rest) -> [batch]; example i of the result hangs on the
        coordinates of example i alone. `rest` has no gradient.

    Returns:
      (params, coordinates, same coordinates, expected b, rest) -> the same losses. Params
      and the first coordinates receive their own gradient, the second ones 2 (L_i - b_i)
      times it. Cotangents w_i / n, w_i the weight of a time drawn by importance, make it
      the gradient of the variance at uniform times all the same: what a schedule can
      lower, since times drawn by importance do not depend on it.
    """

    @jax.custom_vjp
    def routed(
        params: Any,
        of_mean: Coordinates,
        of_variance: Coordinates,
        expected: Array,
        rest: Any,
    ) -> Array:
        del of_variance, expected
        return loss(params, of_mean, rest)

    def forward(
        params: Any,
        of_mean: Coordinates,
        of_variance: Coordinates,
        expected: Array,
        rest: Any,
    ) -> tuple[Array, Any]:
        del of_variance
        losses, pull_back = jax.vjp(
            lambda params, at: loss(params, at, rest), params, of_mean
        )
        return losses, (pull_back, 2.0 * (losses - expected))

    def backward(residuals: Any, cotangent: Array) -> tuple[Any, ...]:
        pull_back, scale = residuals
        of_params, of_mean = pull_back(cotangent)
        return of_params, of_mean, jax.tree.map(scale.__mul__, of_mean), None, None

    routed.defvjp(forward, backward)
    return routed


def tangent(at: Coordinates, times: Float[Array, " batch"]) -> LogSnr:
    """The straight line through a schedule at these times, with its slope there.

    A gradient reaches the coordinates through it, rather than the schedule itself.
    """
    return lambda t: at.log_snr + at.slope * (t - lax.stop_gradient(times))
