"""Blocks of a U-Net: residual blocks, and stages of one with attention."""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ddpm_jax.nets.attention import SelfAttention
from ddpm_jax.nets.layers import GroupNorm, conv, dense, downsample, upsample

RESAMPLE = {"none": lambda x: x, "up": upsample, "down": downsample}


class ResBlock(nn.Module):
    """A residual block: GroupNorm -> SiLU -> conv, twice, with the embedding entering between.

    The second convolution starts at next to zero, so the block starts as the identity
    or, where the number of channels changes, as its dense shortcut.

    Attributes:
      features: channels out.
      num_groups: number of groups of the norms.
      epsilon: added to the variance by the norms.
      dropout: dropout rate, before the second convolution.
      scale_shift: the embedding scales and shifts the second norm's result (Nichol &
        Dhariwal 2021, section 2.4) instead of being added before it.
      zero_embedding: the embedding enters by a layer without a bias that starts at next
        to zero (Kingma et al. 2021).
      resample: "up" or "down" also changes the resolution, in both branches, before the
        first convolution (Brock et al. 2019, as Dhariwal & Nichol 2021 have it).
      dtype: dtype of the activations.
    """

    features: int
    num_groups: int
    epsilon: float
    dropout: float
    scale_shift: bool
    zero_embedding: bool
    resample: Literal["none", "up", "down"]
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        emb: Float[Array, "batch embedding"],
        train: bool,
    ) -> Float[Array, "batch new_height new_width features"]:
        resample = RESAMPLE[self.resample]
        h = nn.silu(self._norm("norm_0")(x))
        h = conv(self.features, dtype=self.dtype, name="conv_0")(resample(h))

        num_emb = 2 * self.features if self.scale_shift else self.features
        emb = dense(
            num_emb,
            scale=0.0 if self.zero_embedding else 1.0,
            use_bias=not self.zero_embedding,
            dtype=self.dtype,
            name="emb",
        )(emb)[:, None, None, :]
        if self.scale_shift:
            scale, shift = jnp.split(emb, 2, axis=-1)
            h = self._norm("norm_1")(h) * (1.0 + scale) + shift
        else:
            h = self._norm("norm_1")(h + emb)
        h = nn.Dropout(self.dropout, deterministic=not train)(nn.silu(h))
        h = conv(self.features, scale=0.0, dtype=self.dtype, name="conv_1")(h)

        x = resample(x)
        if x.shape[-1] != self.features:
            x = dense(self.features, dtype=self.dtype, name="shortcut")(x)
        return x + h

    def _norm(self, name: str) -> GroupNorm:
        return GroupNorm(self.num_groups, self.epsilon, self.dtype, name=name)


def maybe_remat(block: type[nn.Module], remat: bool) -> type[nn.Module]:
    """A `ResBlock` or `Stage`, wrapped if `remat` to be computed again in the backward pass."""
    # Argument 3 is `train`, counted from self.
    return nn.remat(block, static_argnums=(3,)) if remat else block


class Stage(nn.Module):
    """A residual block of its concatenated inputs, followed by attention if it has heads.

    It is the unit of rematerialisation: the inputs are joined inside, so that a skip
    connection is kept once, not once more in the join.

    Attributes:
      num_heads: number of heads of the attention; 0: no attention.
      features, num_groups, epsilon, dropout, scale_shift, zero_embedding, dtype: as in
        `ResBlock`.
    """

    features: int
    num_heads: int
    num_groups: int
    epsilon: float
    dropout: float
    scale_shift: bool
    zero_embedding: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        inputs: tuple[Float[Array, "batch height width _"], ...],
        emb: Float[Array, "batch embedding"],
        train: bool,
    ) -> Float[Array, "batch height width features"]:
        h = ResBlock(
            self.features,
            num_groups=self.num_groups,
            epsilon=self.epsilon,
            dropout=self.dropout,
            scale_shift=self.scale_shift,
            zero_embedding=self.zero_embedding,
            resample="none",
            dtype=self.dtype,
            name="res",
        )(jnp.concatenate(inputs, axis=-1), emb, train)
        if self.num_heads:
            h = SelfAttention(
                self.num_heads,
                num_groups=self.num_groups,
                epsilon=self.epsilon,
                dtype=self.dtype,
                name="attention",
            )(h)
        return h
