"""The pixel decoder of variational diffusion: a softmax over V values around z_0.

    p(value k | mean, std) = exp(-(mean - x_k)^2 / (2 std^2)) / sum_j exp(...)

With mean = z_0 / alpha_0 and std = sigma_0 / alpha_0 it is q(x | z_0) for values that are
equally likely beforehand (Kingma et al. 2021, arXiv:2107.00630, appendix B). It takes no
evaluation of the network.

Its log-normaliser is a sum over V values for each pixel. It is summed value by value, nearest
first, and only as far out as std reaches, so that no array holds V numbers for each pixel. Its
derivative is the mean under p, which the same loop computes.
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
    MEANS,
    LogStd,
    MeanFrom,
    Pixels,
    check_num_values,
)

# Terms below exp(-LARGEST_EXPONENT) of the largest are beyond float64's last digit.
LARGEST_EXPONENT = 40.0


@dataclasses.dataclass(frozen=True)
class Categorical:
    """VDM's pixel decoder: values at the centres of V equal bins of [-1, 1], and a softmax.

    Value k is x = 2 (k + 1/2) / V - 1.

    Attributes:
      num_values: V, from 2 to 256.
      mean_from: the decoder's mean: "z_0" for z_0 / alpha_0, or "x_hat".
    """

    num_values: int
    mean_from: MeanFrom = "z_0"

    def __post_init__(self) -> None:
        check_num_values(self.num_values)

    @property
    def description(self) -> str:
        """What it is, in a report's words."""
        return f"categorical over the pixel values around {MEANS[self.mean_from]}"

    @property
    def bin_width(self) -> float:
        """The width of a bin, 2 / V."""
        return 2.0 / self.num_values

    def encode(self, pixels: Pixels, dtype: DTypeLike = jnp.float32) -> Images:
        """Pixel values 0..V-1 as real numbers in (-1, 1), rounded once."""
        count = self.num_values
        return (2 * pixels.astype(jnp.int32) + 1 - count).astype(dtype) / count

    def from_values(self, values: Images) -> Images:
        """Real-valued pixel values in the units of x: -1/2 and V - 1/2 become -1 and 1."""
        return (2.0 * values + 1.0) / self.num_values - 1.0

    def values(self, x: Images) -> Images:
        """The inverse of `from_values`: -1 and 1 become -1/2 and V - 1/2."""
        return 0.5 * (x + 1.0) * self.num_values - 0.5

    def decode(self, x: Images) -> UInt8[Array, "batch height width channels"]:
        """The nearest pixel values; beyond the range, the first or the last."""
        return _nearest(x, self.num_values).astype(jnp.uint8)

    def log_prob(
        self, pixels: Pixels, mean: Images, log_std: LogStd
    ) -> Float[Array, " batch"]:
        """log p(pixels | mean, std) of each example, in nats, in mean's dtype."""
        log_std = jnp.broadcast_to(log_std, mean.shape)
        value, near = self.encode(pixels, mean.dtype), _nearest(mean, self.num_values)
        # The exponent minus that of the nearest value, as a difference of squares.
        near = self.encode(near, mean.dtype)
        excess = (near - value) * (2.0 * mean - near - value)
        exponent = -0.5 * excess * jnp.exp(-2.0 * log_std)
        return sum_dims(exponent - _log_sum(mean, log_std, self.num_values))

    def draw(
        self, keys: Key[Array, " batch"], mean: Images, log_std: Images
    ) -> UInt8[Array, "batch height width channels"]:
        """A draw of the pixel values: of largest exponent plus Gumbel noise, value by value."""
        half_precision = 0.5 * jnp.exp(-2.0 * log_std)

        def compare(k: Array, best: tuple[Array, Array]) -> tuple[Array, Array]:
            value = (2 * k + 1 - self.num_values).astype(mean.dtype) / self.num_values
            score = (
                _gumbel(fold_in(keys, k), mean) - half_precision * (mean - value) ** 2
            )
            is_better = score > best[0]
            return jnp.where(is_better, score, best[0]), jnp.where(
                is_better, k, best[1]
            )

        start = jnp.full_like(mean, -jnp.inf), jnp.zeros(mean.shape, jnp.int32)
        _, drawn = lax.fori_loop(0, self.num_values, compare, start)
        return drawn.astype(jnp.uint8)


def _gumbel(keys: Key[Array, " batch"], like: Images) -> Images:
    """Gumbel noise, one image from each key."""

    def one_image(key: Array) -> Array:
        return jax.random.gumbel(key, like.shape[1:], like.dtype)

    return jax.vmap(one_image)(keys)


def _nearest(x: Array, num_values: int) -> Array:
    """The number of the value nearest to x."""
    k = jnp.floor(0.5 * (lax.stop_gradient(x) + 1.0) * num_values)
    return jnp.clip(k, 0, num_values - 1).astype(jnp.int32)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _log_sum(mean: Array, log_std: Array, num_values: int) -> Array:
    """log sum_j exp(-((mean - x_j)^2 - (mean - x_near)^2) / (2 std^2)).

    A function of mean and log_std in which x_near, the value nearest to mean, is constant.
    """
    total, _, _ = _moments(mean, log_std, num_values)
    return jnp.log(total)


@_log_sum.defjvp
def _log_sum_jvp(
    num_values: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    mean, log_std = primals
    total, offset, excess = _moments(mean, log_std, num_values)
    precision = jnp.exp(-2.0 * log_std)
    tangent = precision * (offset * tangents[0] + excess * tangents[1]) / total
    return jnp.log(total), tangent


def _moments(mean: Array, log_std: Array, num_values: int) -> tuple[Array, ...]:
    """Sums over j of w_j, w_j (x_j - x_near) and w_j ((mean - x_j)^2 - (mean - x_near)^2).

    w_j is the j-th term of `_log_sum`: at most 1, and 1 for x_near.
    """
    mean, log_std = lax.stop_gradient((mean, log_std))
    spacing = 2.0 / num_values
    near = _nearest(mean, num_values)
    rest = mean - (2 * near + 1 - num_values).astype(mean.dtype) / num_values
    half_precision = 0.5 * jnp.exp(-2.0 * log_std)
    # The o-th neighbour's excess is spacing^2 |o| (|o| - 1) or more.
    reach = jnp.exp(jnp.max(log_std)) / spacing * math.sqrt(2.0 * LARGEST_EXPONENT)
    last = jnp.minimum(jnp.ceil(reach) + 1.0, num_values - 1).astype(jnp.int32)

    def add(number: Array, sums: tuple[Array, ...]) -> tuple[Array, ...]:
        for step in (number, -number):
            offset = step * spacing
            excess = offset * (offset - 2.0 * rest)
            inside = (near + step >= 0) & (near + step < num_values)
            w = jnp.where(inside, jnp.exp(-half_precision * excess), 0.0)
            terms = (w, w * offset, w * excess)
            sums = tuple(a + b for a, b in zip(sums, terms, strict=True))
        return sums

    zeros = jnp.zeros_like(mean)
    return lax.fori_loop(1, last + 1, add, (jnp.ones_like(mean), zeros, zeros))
