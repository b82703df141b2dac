"""The pixel decoder of continuous data: a Gaussian density of real numbers.

    x = (data - shift) / scale,      p(data | mean, std) = N(x; mean, std^2) / scale^D

The division by scale^D makes it a density in the units of the data, and with it every
likelihood of the model.
"""

import dataclasses
import math

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.diffusion.process.discretized_gaussian import LOG_SQRT_2PI
from ddpm_jax.diffusion.process.gaussian import Images, normal, sum_dims
from ddpm_jax.diffusion.process.pixel_decoder import MEANS, LogStd, MeanFrom, Pixels


@dataclasses.dataclass(frozen=True)
class GaussianDecoder:
    """A decoder of real numbers: shifted and scaled, with a Gaussian around its mean.

    Attributes:
      scale: units of the data in a unit of x.
      shift: the data's value at x = 0.
      mean_from: the decoder's mean: "z_0" for z_0 / alpha_0, or "x_hat".
      num_values: 0, as the data are continuous.
    """

    scale: float = 1.0
    shift: float = 0.0
    mean_from: MeanFrom = "z_0"
    num_values: int = dataclasses.field(default=0, init=False)

    @property
    def description(self) -> str:
        """What it is, in a report's words."""
        return f"Gaussian density around {MEANS[self.mean_from]}"

    @property
    def bin_width(self) -> float:
        """One unit of the data in the units of x, 1 / scale."""
        return 1.0 / self.scale

    def encode(self, pixels: Pixels, dtype: DTypeLike = jnp.float32) -> Images:
        """The data in the units of x."""
        return self.from_values(pixels.astype(dtype))

    def from_values(self, values: Images) -> Images:
        """The same in the dtype of the values."""
        return (values - self.shift) / self.scale

    def values(self, x: Images) -> Images:
        """The inverse of `from_values`, in the units of the data."""
        return x * self.scale + self.shift

    def decode(self, x: Images) -> Float[Array, "batch height width channels"]:
        """x in the units of the data; nothing is rounded or cut."""
        return self.values(x)

    def log_prob(
        self, pixels: Pixels, mean: Images, log_std: LogStd
    ) -> Float[Array, " batch"]:
        """The log density of each example in the units of the data, in nats."""
        x = self.encode(pixels, mean.dtype)
        log_scale = jnp.broadcast_to(log_std, mean.shape) + math.log(self.scale)
        square = jnp.square((x - mean) * jnp.exp(-log_std))
        return sum_dims(-0.5 * square - log_scale - LOG_SQRT_2PI)

    def draw(
        self, keys: Key[Array, " batch"], mean: Images, log_std: Images
    ) -> Float[Array, "batch height width channels"]:
        """A draw of the density, in the units of the data."""
        noise = normal(keys, mean.shape[1:], mean.dtype)
        return self.values(mean + jnp.exp(log_std) * noise)


@dataclasses.dataclass(frozen=True)
class GaussianOptions(Options):
    """Options of a `GaussianDecoder`."""

    scale: float = option(
        1.0,
        "Units of the data in a unit of x, best the data's standard deviation.",
        at_least=1e-9,
        at_most=1e9,
    )
    shift: float = option(
        0.0, "The data's value at x = 0, best its mean.", at_least=-1e9, at_most=1e9
    )


def _make(
    options: GaussianOptions, num_values: int, mean_from: MeanFrom
) -> GaussianDecoder:
    del num_values
    return GaussianDecoder(options.scale, options.shift, mean_from)


CHOICE = Choice(GaussianOptions, _make, frozenset({"continuous"}))
