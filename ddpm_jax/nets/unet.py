"""The U-Net of Ho et al. 2020 (arXiv:2006.11239) and the options of its successors."""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ddpm_jax.nets.blocks import ResBlock, Stage, maybe_remat
from ddpm_jax.nets.embeddings import TimeEmbedding, fourier_features
from ddpm_jax.nets.layers import GroupNorm, UpsampleConv, check_groups, conv


class UNet(nn.Module):
    """A U-Net that sees a number, such as the time, beside the image.

    A level is a resolution: `blocks_per_level` stages on the way down and one more on
    the way up, where each takes in what its mirror image on the way down put out. A
    stage is a residual block and, at the heights of `attention_at`, attention; two more
    stages lie in the middle, the first with attention. Between levels the resolution
    changes by a factor of two. The output starts at next to zero.

    The defaults are Ho et al.'s choices. Improved DDPM (Nichol & Dhariwal 2021) has
    scale_shift, num_heads = 4 and epsilon = 1e-5; ADM (Dhariwal & Nichol 2021) has
    scale_shift, head_features = 64, resample_blocks and the same epsilon.

    Attributes:
      out_channels: of the output.
      base_features: channels of the first level, before its multiplier.
      feature_mults: channels of each level over base_features, from the image's down.
      blocks_per_level: stages of a level on the way down.
      attention_at: heights of the levels that attend.
      dropout: rate, in every residual block.
      num_heads: of each attention.
      head_features: channels of a head, in place of num_heads; 0: num_heads it is.
      scale_shift: the embedding scales and shifts the second norm of a residual block
        rather than being added before it.
      resample_blocks: the resolution changes by residual blocks rather than by a
        strided convolution down, and by repeated pixels and a convolution up.
      num_groups: of the group norms; divides the channels of every level.
      epsilon: of the group norms.
      fourier_exponents: of `embeddings.fourier_features` beside the image; (): none.
      num_conditions: numbers beside the time that an example comes with.
      dtype: of the activations, float32 or bfloat16. Parameters, norms' statistics, the
        attention's softmax and the last layer are float32 always.
      remat: forget what is inside a stage and compute it again in the backward pass.
    """

    out_channels: int
    base_features: int
    feature_mults: Sequence[int]
    blocks_per_level: int
    attention_at: Sequence[int] = ()
    dropout: float = 0.0
    num_heads: int = 1
    head_features: int = 0
    scale_shift: bool = False
    resample_blocks: bool = False
    num_groups: int = 32
    epsilon: float = 1e-6
    fourier_exponents: Sequence[int] = ()
    num_conditions: int = 0
    dtype: DTypeLike = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        conditions: Float[Array, "batch {self.num_conditions}"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "batch height width {self.out_channels}"]:
        """Maps images and times to images.

        Args:
          x: any channels; height and width divisible by 2^(levels - 1).
          time: any real numbers, such as 0..999.
          conditions: beside the time; None stands for zeros.
          train: drop out, by the "dropout" collection of keys.

        Returns:
          float32 images of out_channels.

        Raises:
          ValueError: naming the attribute or the size that does not fit the others.
        """
        self._check(x.shape[1], x.shape[2])
        block: dict[str, Any] = {
            "num_groups": self.num_groups,
            "epsilon": self.epsilon,
            "dropout": self.dropout,
            "scale_shift": self.scale_shift,
            "zero_embedding": False,
            "dtype": self.dtype,
        }
        stage = functools.partial(maybe_remat(Stage, self.remat), **block)
        res_block = functools.partial(maybe_remat(ResBlock, self.remat), **block)
        levels = [self.base_features * mult for mult in self.feature_mults]
        last = len(levels) - 1

        emb = TimeEmbedding(
            self.base_features, self.num_conditions, dtype=self.dtype, name="time"
        )(time, conditions)
        h = fourier_features(x, self.fourier_exponents).astype(self.dtype)
        h = conv(self.base_features, dtype=self.dtype, name="conv_in")(h)
        skips = [h]
        for level, features in enumerate(levels):
            heads = self._num_heads(features) if h.shape[1] in self.attention_at else 0
            for i in range(self.blocks_per_level):
                name = f"down_{level}_{i}"
                h = stage(features, heads, name=name)((h,), emb, train)
                skips.append(h)
            if level != last:
                name = f"down_{level}_resample"
                if self.resample_blocks:
                    h = res_block(features, resample="down", name=name)(h, emb, train)
                else:
                    h = conv(features, stride=2, dtype=self.dtype, name=name)(h)
                skips.append(h)

        heads = self._num_heads(levels[-1])
        h = stage(levels[-1], heads, name="middle_0")((h,), emb, train)
        h = stage(levels[-1], 0, name="middle_1")((h,), emb, train)

        for level, features in reversed(list(enumerate(levels))):
            heads = self._num_heads(features) if h.shape[1] in self.attention_at else 0
            for i in range(self.blocks_per_level + 1):
                name = f"up_{level}_{i}"
                h = stage(features, heads, name=name)((h, skips.pop()), emb, train)
            if level != 0:
                name = f"up_{level}_resample"
                if self.resample_blocks:
                    h = res_block(features, resample="up", name=name)(h, emb, train)
                else:
                    h = UpsampleConv(features, dtype=self.dtype, name=name)(h)

        norm = GroupNorm(self.num_groups, self.epsilon, jnp.float32, name="norm_out")
        h = nn.silu(norm(h))
        return conv(self.out_channels, scale=0.0, dtype=jnp.float32, name="conv_out")(h)

    def _num_heads(self, features: int) -> int:
        if not self.head_features:
            return self.num_heads
        if self.num_heads != 1:
            raise ValueError(
                f"num_heads = {self.num_heads} and head_features = {self.head_features}"
                " both set the number of heads: leave one of them at its default."
            )
        if features % self.head_features:
            raise ValueError(
                f"head_features = {self.head_features} does not divide the {features}"
                " channels of a level that attends."
            )
        return features // self.head_features

    def _check(self, height: int, width: int) -> None:
        check_groups(
            self.num_groups, [self.base_features * mult for mult in self.feature_mults]
        )
        stride = 2 ** (len(self.feature_mults) - 1)
        for name, size in (("height", height), ("width", width)):
            if size % stride:
                below, above = size // stride * stride, -(-size // stride) * stride
                nearest = f"{below} and {above}" if below else f"{above}"
                raise ValueError(
                    f"an image {name} of {size} is not divisible by {stride}, the"
                    f" product of the strides of {len(self.feature_mults)} levels:"
                    f" {nearest} would be."
                )
        heights = [height // 2**level for level in range(len(self.feature_mults))]
        unknown = sorted(set(self.attention_at) - set(heights))
        if unknown:
            raise ValueError(
                f"attention_at = {tuple(self.attention_at)} asks for heights {unknown},"
                f" but the levels of these images are {heights} high."
            )
