"""Pixel values as real numbers, and the decoder p(pixels | z_0) that goes with them.

A decoder is only right for its own spacing of the values, so both are one object.
"""

from typing import Literal, Protocol, runtime_checkable

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Integer, Key, UInt8

from ddpm_jax.diffusion.process.gaussian import Images

Pixels = Integer[Array, "batch height width channels"]
LogStd = Float[Array, ""] | Float[Array, "#batch #height #width #channels"]

# What a decoder's mean is: the network's estimate at z_0, or z_0 / alpha_0 as it stands.
MeanFrom = Literal["x_hat", "z_0"]


@runtime_checkable
class PixelDecoder(Protocol):
    """Pixel values 0..num_values-1 as real numbers, with the decoder for them."""

    @property
    def num_values(self) -> int:
        """V, the number of values that a pixel may take."""

    @property
    def mean_from(self) -> MeanFrom:
        """What the decoder's mean is: "x_hat", or "z_0" without the network."""

    @property
    def bin_width(self) -> float:
        """From one value to the next, in the units of x."""

    def encode(self, pixels: Pixels, dtype: DTypeLike = jnp.float32) -> Images:
        """The real numbers that diffusion sees."""

    def from_values(self, values: Images) -> Images:
        """`encode` of real numbers."""

    def values(self, x: Images) -> Images:
        """What `from_values` makes x of."""

    def decode(self, x: Images) -> UInt8[Array, "batch height width channels"]:
        """The nearest pixel values."""

    def log_prob(
        self, pixels: Pixels, mean: Images, log_std: LogStd
    ) -> Float[Array, " batch"]:
        """log p(pixels | mean, std) of each example, in nats."""

    def draw(
        self, keys: Key[Array, " batch"], mean: Images, log_std: Images
    ) -> UInt8[Array, "batch height width channels"]:
        """A draw of p(pixels | mean, std) from each example's key."""


def check_num_values(num_values: int) -> None:
    """Raises ValueError unless num_values is from 2 to 256."""
    if not 2 <= num_values <= 256:
        raise ValueError(
            f"num_values={num_values}: a pixel must have from 2 to 256 values"
        )
