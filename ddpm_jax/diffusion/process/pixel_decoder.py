"""The protocol of pixel decoders: pixel values as real numbers, and p(pixels | z_0).

A decoder is only right for its own spacing of the values, so one object has both. Of continuous
data, "pixel values" are real numbers in the data's units, and p(pixels | z_0) is a density.
"""

from collections.abc import Mapping
from typing import Literal, Protocol, runtime_checkable

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Integer, Key, UInt8

from ddpm_jax.diffusion.process.gaussian import Images

Pixels = (
    Integer[Array, "batch height width channels"]
    | Float[Array, "batch height width channels"]
)
# As a decoder gives them: uint8, or float32 where the data are continuous.
PixelImages = (
    UInt8[Array, "batch height width channels"]
    | Float[Array, "batch height width channels"]
)
LogStd = Float[Array, ""] | Float[Array, "#batch #height #width #channels"]

# A decoder's mean: the network's estimate at z_0, or z_0 / alpha_0 itself.
MeanFrom = Literal["x_hat", "z_0"]
NEEDS_NETWORK: dict[MeanFrom, bool] = {"x_hat": True, "z_0": False}
# These means in the words of a report.
MEANS: Mapping[str, str] = {
    "x_hat": "x_hat(z_0), its scale after the reverse variance",
    "z_0": "z_0 / alpha_0, of scale sigma_0 / alpha_0",
}


@runtime_checkable
class PixelDecoder(Protocol):
    """An encoding of pixel values 0..num_values-1 as real numbers, with its decoder."""

    @property
    def num_values(self) -> int:
        """The number V of values that a pixel may take; 0: the data are continuous."""

    @property
    def mean_from(self) -> MeanFrom:
        """The decoder's mean: "x_hat", or "z_0" for z_0 / alpha_0, without the network."""

    @property
    def description(self) -> str:
        """What it is, in a report's words."""

    @property
    def bin_width(self) -> float:
        """One unit of the data in the units of x: the distance of neighbouring values."""

    def encode(self, pixels: Pixels, dtype: DTypeLike = jnp.float32) -> Images:
        """Pixel values as the real numbers x that diffusion models."""

    def from_values(self, values: Images) -> Images:
        """Real-valued pixel values in the units of x: `encode` without rounding."""

    def values(self, x: Images) -> Images:
        """The real-valued pixel values of x: the inverse of `from_values`."""

    def decode(self, x: Images) -> PixelImages:
        """The pixel values nearest to x."""

    def log_prob(
        self, pixels: Pixels, mean: Images, log_std: LogStd
    ) -> Float[Array, " batch"]:
        """log p(pixels | mean, std) of each example, in nats; mean and std are of x."""

    def draw(
        self, keys: Key[Array, " batch"], mean: Images, log_std: Images
    ) -> PixelImages:
        """A draw of p(pixels | mean, std) from each example's key."""


def needs_network(pixel_decoder: PixelDecoder) -> bool:
    """Whether the decoder's mean is an estimate of the network."""
    return NEEDS_NETWORK[pixel_decoder.mean_from]


def is_continuous(pixel_decoder: PixelDecoder) -> bool:
    """Whether the data are real numbers, of which the decoder gives a density."""
    return pixel_decoder.num_values == 0


def check_num_values(num_values: int) -> None:
    """Raises ValueError unless num_values is from 2 to 256."""
    if not 2 <= num_values <= 256:
        raise ValueError(
            f"num_values={num_values}: a pixel must have from 2 to 256 values"
        )
