"""Monotone, differentiable interpolation of a table, and the inverse of a monotone curve."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Curve = Callable[[Array], Array]


def monotone_cubic(values: np.ndarray) -> Curve:
    """A monotone cubic through `values` at the times k/(n-1), k = 0..n-1.

    Piecewise cubic Hermite with the slopes of Fritsch & Butland 1984
    (doi:10.1137/0905021), which meet the condition of Fritsch & Carlson 1980
    (doi:10.1137/0717021) for a monotone curve. Its derivative is continuous and nowhere
    zero.

    Args:
      values: strictly monotone table, float64 [n], n >= 2.

    Returns:
      A function of t in [0, 1], any shape, in t's dtype. At t = k/(n-1), rounded to
      that dtype, it returns values[k] rounded to it and nothing else.
    """
    last = len(values) - 1
    slopes = _slopes(values)
    secants = np.diff(values)
    # value = c0 + h (c1 + h (c2 + h c3)) at h in [0, 1) of a cell. The last grid point
    # starts a cell of its own, a straight line, so that t = 1 is as exact as the rest.
    squared = np.append(3.0 * secants - 2.0 * slopes[:-1] - slopes[1:], 0.0)
    cubed = np.append(slopes[:-1] + slopes[1:] - 2.0 * secants, 0.0)

    def curve(t: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        u = _snap(t * last)
        cell = jnp.clip(jnp.floor(u), 0, last)
        h = u - cell
        c0, c1, c2, c3 = (
            jnp.asarray(table, t.dtype)[cell.astype(jnp.int32)]
            for table in (values, slopes, squared, cubed)
        )
        return c0 + h * (c1 + h * (c2 + h * c3))

    return curve


def _slopes(values: np.ndarray) -> np.ndarray:
    """Slopes per cell at the grid points: harmonic means of the secants on both sides."""
    secants = np.diff(values)
    if len(secants) == 1:
        return np.repeat(secants, 2)
    inner = 2.0 / (1.0 / secants[:-1] + 1.0 / secants[1:])
    ends = [
        # The slope of the parabola through three points, kept from 0 and from a change of sign.
        secant * max(1.5 - 0.5 * neighbour / secant, 1.0 / 3.0)
        for secant, neighbour in ((secants[0], secants[1]), (secants[-1], secants[-2]))
    ]
    return np.concatenate([ends[:1], inner, ends[1:]])


@jax.custom_jvp
def _snap(u: Array) -> Array:
    """u, rounded to a whole number where it is one up to the rounding of k/(n-1) (n-1)."""
    nearest = jnp.round(u)
    near = jnp.abs(u - nearest) <= 2.0 * jnp.finfo(u.dtype).eps * jnp.abs(u)
    return jnp.where(near, nearest, u)


# The identity's derivative: snapping corrects rounding and is no part of the curve.
_snap.defjvps(lambda tangent, _, u: tangent)


def inverse_of_decreasing(curve: Curve) -> Curve:
    """The inverse of a strictly decreasing curve on [0, 1], by bisection.

    Accurate to the spacing of t's dtype at 1; values beyond the curve's ends give 0 and
    1. Its derivative is the reciprocal of the curve's, and 0 beyond the ends.
    """

    def inverse(value: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        target = jax.lax.stop_gradient(value)
        zeros, ones = jnp.zeros_like(target), jnp.ones_like(target)

        def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = 0.5 * (low + high)
            above = curve(middle) > target
            return jnp.where(above, middle, low), jnp.where(above, high, middle)

        num_halvings = jnp.finfo(target.dtype).nmant + 2
        low, high = jax.lax.fori_loop(0, num_halvings, halve, (zeros, ones))
        t = 0.5 * (low + high)
        _, slope = jax.jvp(curve, (t,), (ones,))
        # Equal to t in value, with the derivative of a Newton step.
        t = t + (value - target) / slope
        t = jnp.where(target >= curve(zeros), 0.0, t)
        return jnp.where(target <= curve(ones), 1.0, t)

    # Compiled, because the loop would be compiled anew at every call otherwise.
    return jax.jit(inverse)
