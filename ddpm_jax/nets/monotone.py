"""Learned functions of time that are monotone whatever their parameters are.

An interior is strictly increasing on [0, 1] from exactly 0 to exactly 1. `Monotone`
stretches one between two learned ends, so that the ends are what their parameters say at
every moment of training and the interior cannot move them.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

Bounds = tuple[float, float]
# Initial centres of a `PositiveNetwork`'s sigmoids reach this far beyond both ends of [0, 1],
# so that their sum starts as a straight line there; their initial slope.
MARGIN = 0.25
INITIAL_SLOPE = 12.0
# The least slope of a `Polynomial`.
MIN_SLOPE = 0.01


class Line(nn.Module):
    """The interior without parameters: the identity."""

    @nn.compact
    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        return t


class PositiveNetwork(nn.Module):
    """A monotone network: one wide hidden layer of positive weights, plus the identity.

    The monotone network of Kingma et al. 2021 (arXiv:2107.00630, appendix H), normalised
    to run from 0 to 1: theirs moves its ends when its interior learns. Weights are made
    positive by softplus, and the identity keeps the slope above zero.

    Attributes:
      num_features: number of hidden features.
    """

    num_features: int = 1024

    @nn.compact
    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        shape = (self.num_features,)
        slope = nn.softplus(
            self.param(
                "kernel_0", nn.initializers.constant(INITIAL_SLOPE), shape, jnp.float32
            )
        )
        bias = self.param("bias_0", _spread_biases, shape, jnp.float32)
        height = nn.softplus(
            # softplus(0.54) is 1: half of the rise is the identity's at first.
            self.param("kernel_1", nn.initializers.constant(0.54), shape, jnp.float32)
        )

        def residual(t: Array) -> Array:
            return jnp.mean(height * nn.sigmoid(slope * t + bias))

        def increasing(t: Array) -> Array:
            low, high = residual(jnp.zeros_like(t)), residual(jnp.ones_like(t))
            value = (t + (residual(t) - low)) / (1.0 + (high - low))
            # Compiled, `residual` may round otherwise for t than for the ends.
            exact = jnp.where(t <= 0.0, 0.0, jnp.where(t >= 1.0, 1.0, value))
            return value + lax.stop_gradient(jnp.clip(exact, 0.0, 1.0) - value)

        return jnp.vectorize(increasing)(t)


def _spread_biases(key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Biases that put the sigmoids' centres evenly over [-MARGIN, 1 + MARGIN]."""
    del key
    slope = math.log1p(math.exp(-INITIAL_SLOPE)) + INITIAL_SLOPE
    return -slope * jnp.linspace(-MARGIN, 1.0 + MARGIN, shape[0], dtype=dtype)


class Polynomial(nn.Module):
    """A polynomial with increasing coefficients in Bernstein's basis.

    Those coefficients run from 0 to 1 by the steps of a softmax, which makes the
    polynomial increase (its derivative is a sum of positive terms) with exact ends. It
    starts as the identity, and its slope stays above a hundredth.

    Attributes:
      degree: degree of the polynomial, and its number of parameters.
    """

    degree: int = 12

    @nn.compact
    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        logits = self.param("steps", nn.initializers.zeros, (self.degree,), jnp.float32)
        steps = (1.0 - MIN_SLOPE) * nn.softmax(logits) + MIN_SLOPE / self.degree
        inner = jnp.cumsum(steps)[:-1]
        points = jnp.concatenate([jnp.zeros(1), inner, jnp.ones(1)]).astype(t.dtype)
        points = jnp.broadcast_to(points, (*t.shape, self.degree + 1))
        t = t[..., None]
        # De Casteljau's algorithm: means of neighbours, until one is left.
        for _ in range(self.degree):
            points = (1.0 - t) * points[..., :-1] + t * points[..., 1:]
        return points[..., 0]


class Ends(nn.Module):
    """Two learned numbers, each between bounds that it does not pass.

    Attributes:
      first, last: their initial values.
      first_bounds, last_bounds: bounds of their values.
    """

    first: float
    last: float
    first_bounds: Bounds
    last_bounds: Bounds

    @nn.compact
    def __call__(self) -> tuple[Float[Array, ""], Float[Array, ""]]:
        return (
            self._bounded("first", self.first, self.first_bounds),
            self._bounded("last", self.last, self.last_bounds),
        )

    def _bounded(self, name: str, start: float, bounds: Bounds) -> Array:
        low, high = bounds
        if not low < start < high:
            raise ValueError(
                f"a learned end starts at {start}, which is not between its bounds"
                f" {low} and {high}."
            )
        share = (start - low) / (high - low)
        raw = math.log(share) - math.log1p(-share)
        value = self.param(name, nn.initializers.constant(raw), (), jnp.float32)
        return low + (high - low) * nn.sigmoid(value)


class Monotone(nn.Module):
    """A monotone function from one end at t = 0 to the other at t = 1 along an interior.

    Parameters are {"ends": ..., "interior": ...}, where each has any.

    Attributes:
      interior: increasing on [0, 1], from 0 to 1.
      first, last: the values at t = 0 and t = 1; the initial ones, if they are learned.
      first_bounds, last_bounds: bounds of the learned ends; where they do not overlap
        the ends cannot cross.
      learn_ends: whether the ends are learned; otherwise they are constants.
    """

    interior: nn.Module
    first: float
    last: float
    first_bounds: Bounds
    last_bounds: Bounds
    learn_ends: bool = True

    @nn.compact
    def __call__(self, t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        first, last = jnp.asarray(self.first), jnp.asarray(self.last)
        if self.learn_ends:
            bounds = (self.first_bounds, self.last_bounds)
            first, last = Ends(self.first, self.last, *bounds, name="ends")()
        increasing = self.interior(t)
        # Exactly `first` where the interior is 0, and `last` where it is 1.
        return (1.0 - increasing) * first + increasing * last
