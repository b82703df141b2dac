"""The decoder of variational diffusion: one of V values, by how well z_0 fits each.

    p(value k | mean, std) = exp(-(mean - x_k)^2 / (2 std^2)) / sum_j exp(...)

With mean = z_0 / alpha_0 and std = sigma_0 / alpha_0 it is q(x | z_0) for values that are
equally likely beforehand (Kingma et al. 2021, arXiv:2107.00630, appendix B). It takes no
evaluation of the network.

Its log-normaliser is a sum over V values for each pixel. It is summed value by value, nearest
first, and only as far out as std reaches, so that no array holds V numbers a pixel; and its
derivative is the mean under p, which the same loop finds.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key, UInt8

from ddpm_jax.diffusion.process.gaussian import Images, fold_in, sum_dims
from ddpm_jax.diffusion.process.pixel_decoder import (
    LogStd,
    MeanFrom,
    Pixels,
    check_num_values,
)

# Terms below exp(-LARGEST_EXPONENT) of the largest are beyond float64's last digit.
LARGEST_EXPONENT = 40.0


@dataclasses.dataclass(frozen=True)
class Categorical:
    """VDM's pixel_decoder: the centres of V equal bins of [-1, 1], and a softmax over them.

    Value k is x = 2 (k + 1/2) / V - 1.

    Attributes:
      num_values: V, from 2 to 256.
      mean_from: what the decoder's mean is: "z_0", z_0 / alpha_0, or "x_hat".
    """

    num_values: int
    mean_from: MeanFrom = "z_0"

    def __post_init__(self) -> None:
        check_num_values(self.num_values)

    @property
    def bin_width(self) -> float:
        """2 / V."""
        return 2.0 / self.num_values

    def encode(self, pixels: Pixels, dtype: DTypeLike = jnp.float32) -> Images:
        """Pixel values 0..V-1 to real numbers in (-1, 1), rounded once."""
        count = self.num_values
        return (2 * pixels.astype(jnp.int32) + 1 - count).astype(dtype) / count

    def from_values(self, values: Images) -> Images:
        """-1/2 and V - 1/2, the outer edges of the bins, are -1 and 1."""
        return (2.0 * values + 1.0) / self.num_values - 1.0

    def values(self, x: Images) -> Images:
        """-1 and 1 are -1/2 and V - 1/2, the outer edges of the bins."""
        return 0.5 * (x + 1.0) * self.num_values - 0.5

    def decode(self, x: Images) -> UInt8[Array, "batch height width channels"]:
        """The nearest pixel value; beyond the values' range the first or the last."""
        return _nearest(x, self.num_values).astype(jnp.uint8)

    def log_prob(
        self, pixels: Pixels, mean: Images, log_std: LogStd
    ) -> Float[Array, " batch"]:
        """log p(pixels | mean, std) of each example, in nats, in mean's dtype."""
        log_std = jnp.broadcast_to(log_std, mean.shape)
        value, near = self.encode(pixels, mean.dtype), _nearest(mean, self.num_values)
        # Both exponents less that of the nearest value, by a difference of squares.
        near = self.encode(near, mean.dtype)
        behind = (near - value) * (2.0 * mean - near - value)
        exponent = -0.5 * behind * jnp.exp(-2.0 * log_std)
        return sum_dims(exponent - _log_sum(mean, log_std, self.num_values))

    def draw(
        self, keys: Key[Array, " batch"], mean: Images, log_std: Images
    ) -> UInt8[Array, "batch height width channels"]:
        """The value whose exponent plus Gumbel noise is largest, found value by value."""
        half_precision = 0.5 * jnp.exp(-2.0 * log_std)

        def compare(k: Array, best: tuple[Array, Array]) -> tuple[Array, Array]:
            value = (2 * k + 1 - self.num_values).astype(mean.dtype) / self.num_values
            score = (
                _gumbel(fold_in(keys, k), mean) - half_precision * (mean - value) ** 2
            )
            won = score > best[0]
            return jnp.where(won, score, best[0]), jnp.where(won, k, best[1])

        start = jnp.full_like(mean, -jnp.inf), jnp.zeros(mean.shape, jnp.int32)
        _, found = lax.fori_loop(0, self.num_values, compare, start)
        return found.astype(jnp.uint8)


def _gumbel(keys: Key[Array, " batch"], like: Images) -> Images:
    """Gumbel noise, an image from each key."""

    def of_one(key: Array) -> Array:
        return jax.random.gumbel(key, like.shape[1:], like.dtype)

    return jax.vmap(of_one)(keys)


def _nearest(x: Array, num_values: int) -> Array:
    """The number of the value nearest to x."""
    k = jnp.floor(0.5 * (lax.stop_gradient(x) + 1.0) * num_values)
    return jnp.clip(k, 0, num_values - 1).astype(jnp.int32)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _log_sum(mean: Array, log_std: Array, num_values: int) -> Array:
    """log sum_j exp(-((mean - x_j)^2 - (mean - x_near)^2) / (2 std^2)).

    As a function of mean and log_std, x_near held still.
    """
    total, _, _ = _moments(mean, log_std, num_values)
    return jnp.log(total)


@_log_sum.defjvp
def _log_sum_jvp(
    num_values: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    mean, log_std = primals
    total, offset, behind = _moments(mean, log_std, num_values)
    precision = jnp.exp(-2.0 * log_std)
    tangent = precision * (offset * tangents[0] + behind * tangents[1]) / total
    return jnp.log(total), tangent


def _moments(mean: Array, log_std: Array, num_values: int) -> tuple[Array, ...]:
    """Sums over values of w_j, w_j (x_j - x_near) and w_j times the difference of squares.

    w_j is the j-th term of `_log_sum`. None is above 1, and that of x_near is 1.
    """
    mean, log_std = lax.stop_gradient((mean, log_std))
    spacing = 2.0 / num_values
    near = _nearest(mean, num_values)
    rest = mean - (2 * near + 1 - num_values).astype(mean.dtype) / num_values
    half_precision = 0.5 * jnp.exp(-2.0 * log_std)
    # The o-th neighbour lies behind by spacing^2 |o| (|o| - 1) at least.
    reach = jnp.exp(jnp.max(log_std)) / spacing * math.sqrt(2.0 * LARGEST_EXPONENT)
    last = jnp.minimum(jnp.ceil(reach) + 1.0, num_values - 1).astype(jnp.int32)

    def add(number: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        for step in (number, -number):
            offset = step * spacing
            behind = offset * (offset - 2.0 * rest)
            inside = (near + step >= 0) & (near + step < num_values)
            w = jnp.where(inside, jnp.exp(-half_precision * behind), 0.0)
            terms = (w, w * offset, w * behind)
            sums = tuple(a + b for a, b in zip(sums, terms, strict=True))
        return sums

    zeros = jnp.zeros_like(mean)
    return lax.fori_loop(1, last + 1, add, (jnp.ones_like(mean), zeros, zeros))
