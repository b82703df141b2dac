"""Layers from which all blocks are made."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer
from jax.typing import DTypeLike
from jaxtyping import Array, Float

Images = Float[Array, "batch height width channels"]


def kernel_init(scale: float = 1.0, **axes: int) -> Initializer:
    """Uniform initial kernels of variance scale / mean(fan in, fan out), as in Ho et al. 2020.

    scale = 0 stands for 1e-10: a branch that ends in such a layer starts at next to
    nothing, yet not where the gradients before it are exactly zero.

    Args:
      scale: variance times the mean fan; 0: next to none.
      **axes: axes of the kernel that are fans, where not the last two.
    """
    return nn.initializers.variance_scaling(
        scale or 1e-10, "fan_avg", "uniform", **axes
    )


def conv(
    features: int, *, name: str, stride: int = 1, scale: float = 1.0, dtype: DTypeLike
) -> nn.Conv:
    """A 3x3 convolution. With stride 2 it pads one row below and one column right."""
    return nn.Conv(
        features,
        (3, 3),
        strides=stride,
        padding="SAME",
        kernel_init=kernel_init(scale),
        dtype=dtype,
        name=name,
    )


def dense(
    features: int,
    *,
    name: str,
    scale: float = 1.0,
    use_bias: bool = True,
    dtype: DTypeLike,
) -> nn.Dense:
    """A matrix product over the channels; on images, a 1x1 convolution."""
    return nn.Dense(
        features,
        use_bias=use_bias,
        kernel_init=kernel_init(scale),
        dtype=dtype,
        name=name,
    )


class GroupNorm(nn.Module):
    """Normalisation of each example's channels in groups (Wu & He 2018, arXiv:1803.08494).

    Statistics are float32 whatever the dtype. They are taken of each channel first and
    pooled over its group after, so that images are never reshaped to expose the groups.

    Attributes:
      num_groups: must divide the number of channels.
      epsilon: added to the variance.
      dtype: dtype of the result.
    """

    num_groups: int
    epsilon: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Images) -> Images:
        channels = x.shape[-1]
        check_groups(self.num_groups, [channels])
        gain = self.param("scale", nn.initializers.ones, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)

        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        mean = self._pool(jnp.mean(x, axis=(1, 2)))
        mean_square = self._pool(jnp.mean(jnp.square(x), axis=(1, 2)))
        # Rounding can take the difference below zero where a group is constant.
        variance = jnp.maximum(mean_square - jnp.square(mean), 0.0)
        gain = jax.lax.rsqrt(variance + self.epsilon) * gain[None, :]
        offset = bias[None, :] - mean * gain
        y = x * gain[:, None, None, :] + offset[:, None, None, :]
        return y.astype(self.dtype)

    def _pool(
        self, values: Float[Array, "batch channels"]
    ) -> Float[Array, "batch channels"]:
        """The values with each channel's replaced by the mean over its group."""
        batch, channels = values.shape
        grouped = values.reshape(batch, self.num_groups, channels // self.num_groups)
        pooled = jnp.mean(grouped, axis=2, keepdims=True)
        return jnp.broadcast_to(pooled, grouped.shape).reshape(batch, channels)


def check_groups(num_groups: int, channels: Sequence[int]) -> None:
    """Raises ValueError unless num_groups divides each of the numbers of channels."""
    if num_groups < 1 or any(count % num_groups for count in channels):
        common = math.gcd(*channels)
        fits = [d for d in range(1, common + 1) if common % d == 0]
        raise ValueError(
            f"num_groups = {num_groups} does not divide all of the channels,"
            f" {sorted(set(channels))}: write one of {fits}."
        )


def upsample(x: Images) -> Float[Array, "batch 2*height 2*width channels"]:
    """Nearest-neighbour upsampling: each pixel becomes 2x2 equal ones."""
    batch, height, width, channels = x.shape
    shape = (batch, height, 2, width, 2, channels)
    x = jnp.broadcast_to(x[:, :, None, :, None, :], shape)
    return x.reshape(batch, 2 * height, 2 * width, channels)


def downsample(x: Images) -> Float[Array, "batch height//2 width//2 channels"]:
    """Downsampling by the mean over each 2x2 pixels."""
    batch, height, width, channels = x.shape
    return jnp.mean(
        x.reshape(batch, height // 2, 2, width // 2, 2, channels), axis=(2, 4)
    )


class UpsampleConv(nn.Module):
    """`upsample` followed by a 3x3 convolution, computed with 4/9 of the work.

    A 3x3 window over repeated pixels sees only 2x2 different ones. Which of them are
    seen twice depends on whether the window's centre is at an even or odd row and
    column, so four 2x2 convolutions of the small image give all of the large one.

    Attributes:
      features: channels out.
      dtype: dtype of the activations.
    """

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Images) -> Float[Array, "batch 2*height 2*width features"]:
        batch, height, width, channels = x.shape
        shape = (3, 3, channels, self.features)
        kernel = self.param("kernel", kernel_init(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)

        # Maps taps on the large image to taps on the small, at even and odd rows and columns.
        sums = jnp.array([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], kernel.dtype)
        kernels = jnp.einsum("rat,scu,tuio->rsacio", sums, sums, kernel)
        parts = [
            jax.lax.conv_general_dilated(
                x,
                kernels[row, column].astype(self.dtype),
                window_strides=(1, 1),
                padding=((1 - row, row), (1 - column, column)),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
            for row in (0, 1)
            for column in (0, 1)
        ]
        y = jnp.stack(parts).reshape(2, 2, batch, height, width, self.features)
        y = jnp.transpose(y, (2, 3, 0, 4, 1, 5))
        y = y.reshape(batch, 2 * height, 2 * width, self.features)
        return y + bias.astype(self.dtype)[None, None, None, :]
