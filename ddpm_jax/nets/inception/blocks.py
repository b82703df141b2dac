"""The blocks of Inception-v3, in the variant that the FID is measured with.

Blocks of branches side by side (Szegedy et al. 2015, arXiv:1512.00567), whose outputs are
joined along the channels. Branches have the names that pytorch-fid's weights give them.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.nets.layers import Images

EPSILON = 1e-3
# FIDs are compared in their third digit, which TPUs and GPUs would round away.
PRECISION = jax.lax.Precision.HIGHEST

Maps = Float[Array, "batch rows columns features"]


class Conv(nn.Module):
    """A convolution, batch norm by stored mean and variance, and ReLU.

    Attributes:
      features: channels out.
      size: height and width of the kernel.
      stride: stride along both axes.
      padding: "SAME" or "VALID".
    """

    features: int
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        zeros, ones = nn.initializers.zeros, nn.initializers.ones
        shape, channels = (*self.size, x.shape[-1], self.features), (self.features,)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        scale = self.param("scale", ones, channels)
        bias = self.param("bias", zeros, channels)
        mean = self.param("mean", zeros, channels)
        variance = self.param("variance", ones, channels)

        y = jax.lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(self.stride, self.stride),
            padding=self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=PRECISION,
        )
        gain = scale * jax.lax.rsqrt(variance + EPSILON)
        offset = bias - mean * gain
        return nn.relu(y * gain[None, None, None, :] + offset[None, None, None, :])


def average_pool(x: Images) -> Images:
    """Means over 3x3 pixels; at borders, over those that are there."""
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def max_pool(x: Images) -> Images:
    """Maxima over 3x3 pixels."""
    return nn.max_pool(x, (3, 3), padding="SAME")


def max_pool_reduced(x: Images) -> Maps:
    """Maxima over 3x3 pixels with stride 2, without padding."""
    return nn.max_pool(x, (3, 3), strides=(2, 2))


def joined(*branches: Float[Array, "batch rows columns _"]) -> Maps:
    """The branches' channels, concatenated."""
    return jnp.concatenate(branches, axis=-1)


class BlockA(nn.Module):
    """Branches 1x1, 5x5, two 3x3 and pooled (the paper's figure 5, with 5x5 kept).

    Attributes:
      pool_features: channels of the pooled branch.
    """

    pool_features: int

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        single = Conv(64, name="branch1x1")(x)
        wide = Conv(48, name="branch5x5_1")(x)
        wide = Conv(64, (5, 5), name="branch5x5_2")(wide)
        double = Conv(64, name="branch3x3dbl_1")(x)
        double = Conv(96, (3, 3), name="branch3x3dbl_2")(double)
        double = Conv(96, (3, 3), name="branch3x3dbl_3")(double)
        pooled = Conv(self.pool_features, name="branch_pool")(average_pool(x))
        return joined(single, wide, double, pooled)


class BlockB(nn.Module):
    """Reduction from 35x35 to 17x17 pixels: branches 3x3, two 3x3 and pooled."""

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        single = Conv(384, (3, 3), 2, "VALID", name="branch3x3")(x)
        double = Conv(64, name="branch3x3dbl_1")(x)
        double = Conv(96, (3, 3), name="branch3x3dbl_2")(double)
        double = Conv(96, (3, 3), 2, "VALID", name="branch3x3dbl_3")(double)
        return joined(single, double, max_pool_reduced(x))


class BlockC(nn.Module):
    """Branches 1x1, 7x7 and two 7x7, each as a row and a column, and pooled (figure 6).

    Attributes:
      inner_features: channels between the long convolutions.
    """

    inner_features: int

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        inner, row, column = self.inner_features, (1, 7), (7, 1)
        once = Conv(inner, name="branch7x7_1")(x)
        once = Conv(inner, row, name="branch7x7_2")(once)
        once = Conv(192, column, name="branch7x7_3")(once)
        twice = Conv(inner, name="branch7x7dbl_1")(x)
        twice = Conv(inner, column, name="branch7x7dbl_2")(twice)
        twice = Conv(inner, row, name="branch7x7dbl_3")(twice)
        twice = Conv(inner, column, name="branch7x7dbl_4")(twice)
        twice = Conv(192, row, name="branch7x7dbl_5")(twice)
        single = Conv(192, name="branch1x1")(x)
        pooled = Conv(192, name="branch_pool")(average_pool(x))
        return joined(single, once, twice, pooled)


class BlockD(nn.Module):
    """Reduction from 17x17 to 8x8 pixels: branches 3x3, 7x7 followed by 3x3, and pooled."""

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        short = Conv(192, name="branch3x3_1")(x)
        short = Conv(320, (3, 3), 2, "VALID", name="branch3x3_2")(short)
        long = Conv(192, name="branch7x7x3_1")(x)
        long = Conv(192, (1, 7), name="branch7x7x3_2")(long)
        long = Conv(192, (7, 1), name="branch7x7x3_3")(long)
        long = Conv(192, (3, 3), 2, "VALID", name="branch7x7x3_4")(long)
        return joined(short, long, max_pool_reduced(x))


class BlockE(nn.Module):
    """Branches 1x1, 3x3 and two 3x3 that end in a row beside a column, and pooled (figure 7).

    Attributes:
      pool: 3x3, average in the last but one block, maximum in the last.
    """

    pool: Callable[[Images], Images]

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        row, column = (1, 3), (3, 1)
        single = Conv(320, name="branch1x1")(x)
        once = Conv(384, name="branch3x3_1")(x)
        twice = Conv(448, name="branch3x3dbl_1")(x)
        twice = Conv(384, (3, 3), name="branch3x3dbl_2")(twice)
        pooled = Conv(192, name="branch_pool")(self.pool(x))
        return joined(
            single,
            Conv(384, row, name="branch3x3_2a")(once),
            Conv(384, column, name="branch3x3_2b")(once),
            Conv(384, row, name="branch3x3dbl_3a")(twice),
            Conv(384, column, name="branch3x3dbl_3b")(twice),
            pooled,
        )
