"""The encoder of a U-Net: its downward path and its middle."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ddpm_jax.core.choice import option
from ddpm_jax.nets import interface
from ddpm_jax.nets.blocks import ResBlock, Stage, maybe_remat
from ddpm_jax.nets.embeddings import Embedding, fourier_features
from ddpm_jax.nets.interface import NetworkOptions
from ddpm_jax.nets.layers import check_groups, conv

Images = Float[Array, "batch height width channels"]
# Outputs of stages, each of its own height, width and channels.
Outputs = tuple[Float[Array, "batch _ _ _"], ...]
Embedded = Float[Array, "batch embedding"]


@dataclasses.dataclass(frozen=True)
class EncoderOptions(NetworkOptions):
    """Options of an `Encoder`; the defaults are Ho et al.'s."""

    base_features: int = option(128, "Channels of the first level.", at_least=1)
    feature_mults: tuple[int, ...] = option(
        (1, 2, 2, 2),
        "Channels over base_features, one per resolution, from the image's down.",
        at_least=1,
        remedy="write whole numbers from 1 on, one a resolution",
    )
    blocks_per_level: int = option(
        2, "Stages of a level on the downward path.", at_least=1
    )
    attention_at: tuple[int, ...] = option(
        (16,), "Heights of the images to attend over.", at_least=1, example=(8,)
    )
    dropout: float = interface.dropout()
    num_heads: int = option(1, "Heads of each attention.", at_least=1)
    head_features: int = option(
        0, "Channels of a head, in place of num_heads; 0: num_heads.", at_least=0
    )
    scale_shift: bool = option(
        False, "The time scales and shifts activations, rather than being added."
    )
    resample_blocks: bool = option(False, "Residual blocks change the resolution.")
    num_groups: int = option(32, "Groups of the group norms.", at_least=1)
    epsilon: float = interface.epsilon()
    dtype: str = interface.dtype()
    remat: bool = interface.remat()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.feature_mults:
            raise ValueError(
                "feature_mults = (): write whole numbers from 1 on, one a resolution."
            )

    @property
    def recomputes(self) -> bool:
        return self.remat


class Encoder(nn.Module, kw_only=True):
    """The common base of a U-Net and a classifier: levels on a downward path, and a middle.

    A level is a resolution: `blocks_per_level` stages, where a stage is a residual block
    and, at the heights of `attention_at`, attention. Two more stages lie in the middle, the
    first with attention. Between levels the resolution changes by a factor of two.

    Attributes:
      base_features: channels of the first level, before its multiplier.
      feature_mults: channels of each level over base_features, from the image's down.
      blocks_per_level: stages of a level on the downward path.
      attention_at: heights of the levels that attend.
      dropout: dropout rate, in every residual block.
      num_heads: number of heads of each attention.
      head_features: channels of a head, in place of num_heads; 0: num_heads holds.
      scale_shift: the embedding scales and shifts the second norm of a residual block
        rather than being added before it.
      resample_blocks: the resolution changes by residual blocks rather than by a
        strided convolution down, and by repeated pixels and a convolution up.
      num_groups: number of groups of the norms; divides the channels of every level.
      epsilon: added to the variance by the norms.
      fourier_exponents: exponents of `embeddings.fourier_features`; (): none.
      num_conditions: how many numbers an example has beside its time.
      num_classes: number of classes; 0: examples have no class.
      label_dropout: probability in training that an example's class is dropped.
      dtype: dtype of the activations, float32 or bfloat16. Parameters, norms' statistics,
        the attention's softmax and the last layer are float32 always.
      remat: whether stages are computed again in the backward pass, to save memory.
    """

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
    num_classes: int = 0
    label_dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    remat: bool = False

    @property
    def levels(self) -> list[int]:
        """The channels of each level, from the image's resolution down."""
        return [self.base_features * mult for mult in self.feature_mults]

    def embed(
        self,
        time: Float[Array, " batch"],
        conditions: Float[Array, "batch _"] | None,
        labels: Int[Array, " batch"] | None,
        train: bool,
    ) -> Embedded:
        """The embedding of time, numbers and class that enters every block."""
        return Embedding(
            self.base_features,
            self.num_conditions,
            self.num_classes,
            self.label_dropout,
            dtype=self.dtype,
            name="time",
        )(time, conditions, labels, train)

    def encode(self, x: Images, emb: Embedded, train: bool) -> Outputs:
        """The outputs of every stage and change of resolution, and last of the middle.

        Raises:
          ValueError: naming the attribute or the size that does not fit the others.
        """
        self._check(x.shape[1], x.shape[2])
        stage, levels = self.stage(), self.levels
        h = fourier_features(x, self.fourier_exponents).astype(self.dtype)
        h = conv(self.base_features, dtype=self.dtype, name="conv_in")(h)
        outputs = [h]
        for level, features in enumerate(levels):
            heads = self.heads_at(h.shape[1], features)
            for i in range(self.blocks_per_level):
                name = f"down_{level}_{i}"
                h = stage(features, heads, name=name)((h,), emb, train)
                outputs.append(h)
            if level != len(levels) - 1:
                name = f"down_{level}_resample"
                if self.resample_blocks:
                    block = self.res_block()
                    h = block(features, resample="down", name=name)(h, emb, train)
                else:
                    h = conv(features, stride=2, dtype=self.dtype, name=name)(h)
                outputs.append(h)

        heads = self.num_heads_of(levels[-1])
        h = stage(levels[-1], heads, name="middle_0")((h,), emb, train)
        h = stage(levels[-1], 0, name="middle_1")((h,), emb, train)
        return (*outputs, h)

    def stage(self) -> Callable[..., Any]:
        """(features, heads, name=) -> a stage with these attributes."""
        return functools.partial(maybe_remat(Stage, self.remat), **self._block())

    def res_block(self) -> Callable[..., Any]:
        """(features, resample=, name=) -> a residual block with these attributes."""
        return functools.partial(maybe_remat(ResBlock, self.remat), **self._block())

    def heads_at(self, height: int, features: int) -> int:
        """The number of attention heads at images of this height; 0: no attention."""
        return self.num_heads_of(features) if height in self.attention_at else 0

    def num_heads_of(self, features: int) -> int:
        """The number of attention heads over so many channels."""
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

    def _block(self) -> dict[str, Any]:
        return {
            "num_groups": self.num_groups,
            "epsilon": self.epsilon,
            "dropout": self.dropout,
            "scale_shift": self.scale_shift,
            "zero_embedding": False,
            "dtype": self.dtype,
        }

    def _check(self, height: int, width: int) -> None:
        check_groups(self.num_groups, self.levels)
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
