"""The pixel decoder of DDPM: evenly spaced values, decoded by a Gaussian cut into bins."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key, UInt8

from ddpm_jax.diffusion.process.gaussian import Images, normal, sum_dims
from ddpm_jax.diffusion.process.pixel_decoder import (
    MEANS,
    LogStd,
    MeanFrom,
    Pixels,
    check_num_values,
)

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclasses.dataclass(frozen=True)
class DiscretizedGaussian:
    """DDPM's pixel decoder: values evenly spaced over [-1, 1], and a Gaussian cut into bins.

    Value k is x = 2k/(V-1) - 1 and has the probability of the interval x +- 1/(V-1);
    the first and the last bin reach to infinity, so the V probabilities sum to 1 (Ho et
    al. 2020, arXiv:2006.11239, eq. 13).

    Attributes:
      num_values: V, from 2 to 256.
      mean_from: the decoder's mean: "x_hat", or "z_0" for z_0 / alpha_0.
    """

    num_values: int
    mean_from: MeanFrom = "x_hat"

    def __post_init__(self) -> None:
        check_num_values(self.num_values)

    @property
    def description(self) -> str:
        """What it is, in a report's words."""
        return f"discretised Gaussian around {MEANS[self.mean_from]}"

    @property
    def bin_width(self) -> float:
        """The width of a bin, 2 / (V-1)."""
        return 2.0 / (self.num_values - 1)

    def encode(self, pixels: Pixels, dtype: DTypeLike = jnp.float32) -> Images:
        """Pixel values 0..V-1 as real numbers in [-1, 1], rounded once."""
        last = self.num_values - 1
        return (2 * pixels.astype(jnp.int32) - last).astype(dtype) / last

    def from_values(self, values: Images) -> Images:
        """Real-valued pixel values in the units of x: 0 and V-1 become -1 and 1."""
        return 2.0 * values / (self.num_values - 1) - 1.0

    def values(self, x: Images) -> Images:
        """The inverse of `from_values`: -1 and 1 become 0 and V-1."""
        return 0.5 * (x + 1.0) * (self.num_values - 1)

    def decode(self, x: Images) -> UInt8[Array, "batch height width channels"]:
        """The nearest pixel values; beyond [-1, 1], the first or the last."""
        last = self.num_values - 1
        return jnp.clip(jnp.round(self.values(x)), 0, last).astype(jnp.uint8)

    def log_prob(
        self, pixels: Pixels, mean: Images, log_std: LogStd
    ) -> Float[Array, " batch"]:
        """log p(pixels | mean, std) of each example, in nats, in mean's dtype."""
        last = self.num_values - 1
        inverse_std = jnp.exp(-log_std)
        # Neighbours share an edge to the last digit, so that the bins leave no gap.
        twice = 2 * pixels.astype(jnp.int32) - last
        lower = ((twice - 1).astype(mean.dtype) / last - mean) * inverse_std
        upper = ((twice + 1).astype(mean.dtype) / last - mean) * inverse_std
        log_width = jnp.broadcast_to(math.log(2.0 / last) - log_std, mean.shape)
        inside = _log_interval(lower, upper, log_width)
        outside = _log_cdf(jnp.where(pixels == 0, upper, -lower))
        outer = (pixels == 0) | (pixels == last)
        return sum_dims(jnp.where(outer, outside, inside))

    def draw(
        self, keys: Key[Array, " batch"], mean: Images, log_std: Images
    ) -> UInt8[Array, "batch height width channels"]:
        """A draw of the pixel values: the bins that normal numbers fall into."""
        noise = normal(keys, mean.shape[1:], mean.dtype)
        return self.decode(mean + jnp.exp(log_std) * noise)


# Below, each branch of a `where` is given harmless arguments where the other is chosen:
# a gradient of infinity there would come through as 0 * inf.


def _log_interval(lower: Array, upper: Array, log_width: Array) -> Array:
    """log(Phi(upper) - Phi(lower)), never the log of a difference of near-equals.

    The width is given as its logarithm too: a very narrow one is lost in upper - lower.
    """
    width = jnp.exp(log_width)
    centre = 0.5 * (lower + upper)
    narrow = width * (1.0 + jnp.abs(centre)) < 0.5
    # The edge nearer to 0, when the interval is reflected to the left of it.
    near = jnp.where(centre < 0.0, upper, -lower)
    tail = ~narrow & (near <= 0.0)
    straddling = ~narrow & ~tail

    mass = ndtr(jnp.where(straddling, upper, 1.0)) - ndtr(
        jnp.where(straddling, lower, -1.0)
    )
    in_narrow = log_width + _log_narrow(
        jnp.where(narrow, centre, 0.0), jnp.where(narrow, width, 0.0)
    )
    in_tail = _log_tail(jnp.where(tail, near, -1.0), jnp.where(tail, width, 1.0))
    return jnp.where(narrow, in_narrow, jnp.where(tail, in_tail, jnp.log(mass)))


def _log_narrow(centre: Array, width: Array) -> Array:
    """log(mass of an interval / its width), where the density hardly varies.

    Gauss-Legendre quadrature with 6 points is exact to float64's rounding for
    width (1 + |centre|) < 1/2.
    """
    points, weights = np.polynomial.legendre.leggauss(6)
    ratio = sum(
        0.5 * float(weight) * jnp.exp(-offset * (centre + 0.5 * offset))
        for weight, offset in (
            (weight, 0.5 * float(point) * width)
            for point, weight in zip(points, weights, strict=True)
        )
    )
    return jnp.log(ratio) - 0.5 * jnp.square(centre) - LOG_SQRT_2PI


def _log_tail(end: Array, width: Array) -> Array:
    """log(Phi(end) - Phi(end - width)) for end <= 0.

    With m(x) = Phi(x)/phi(x) it is log phi(end) + log(m(end) - exp(d) m(end - width)),
    d the difference of their log densities, in which no large numbers cancel.
    """
    log_near, log_far = _log_mills(end), _log_mills(end - width)
    drop = width * (end - 0.5 * width) + log_far - log_near
    log_density = -0.5 * jnp.square(end) - LOG_SQRT_2PI
    return log_density + log_near + jnp.log(-jnp.expm1(drop))


def _log_cdf(x: Array) -> Array:
    """log Phi(x)."""
    left = x < 0.0
    below, above = jnp.where(left, x, 0.0), jnp.where(left, 0.0, x)
    tail = _log_mills(below) - 0.5 * jnp.square(below) - LOG_SQRT_2PI
    return jnp.where(left, tail, jnp.log1p(-ndtr(-above)))


def _log_mills(x: Array) -> Array:
    """log(Phi(x)/phi(x)) for x <= 0: about -log(-x) far out, where Phi itself is 0."""
    far = x < -5.0
    # Laplace's continued fraction; 12 levels leave an error of 3e-11 at 5.
    y = jnp.where(far, -x, 5.0)
    fraction = y
    for level in range(12, 0, -1):
        fraction = y + level / fraction
    close = jnp.where(far, 0.0, x)
    return jnp.where(
        far,
        -jnp.log(fraction),
        jnp.log(ndtr(close)) + 0.5 * jnp.square(close) + LOG_SQRT_2PI,
    )
