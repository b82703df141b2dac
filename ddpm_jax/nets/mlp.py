"""A residual multilayer perceptron: for points, and for images so small that all sees all."""

import dataclasses
import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.nets import interface
from ddpm_jax.nets.blocks import maybe_remat
from ddpm_jax.nets.embeddings import Embedding, fourier_features
from ddpm_jax.nets.interface import Interface, NetworkOptions
from ddpm_jax.nets.layers import dense


class DenseBlock(nn.Module):
    """A residual block: SiLU -> dense, twice, with the embedding added between.

    The second layer starts at next to zero, so the block starts as the identity. It has no
    norms: the size of a point is a part of what it says.

    Attributes:
      features: features in and out.
      dropout: dropout rate, before the second layer.
      dtype: dtype of the activations.
    """

    features: int
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch {self.features}"],
        emb: Float[Array, "batch embedding"],
        train: bool,
    ) -> Float[Array, "batch {self.features}"]:
        h = dense(self.features, dtype=self.dtype, name="dense_0")(nn.silu(x))
        h = h + dense(self.features, dtype=self.dtype, name="emb")(emb)
        h = nn.Dropout(self.dropout, deterministic=not train)(nn.silu(h))
        return x + dense(self.features, scale=0.0, dtype=self.dtype, name="dense_1")(h)


class MLP(nn.Module):
    """Residual blocks of dense layers between all numbers of an image, of any shape.

    The output starts at next to zero.

    Attributes:
      out_channels: channels of the output.
      features: features of every layer.
      num_blocks: number of residual blocks.
      time_features: sinusoids of the time.
      dropout: dropout rate, in every residual block.
      fourier_exponents: exponents of `embeddings.fourier_features`; (): none.
      num_conditions: how many numbers an example has beside its time.
      num_classes: number of classes; 0: examples have no class.
      label_dropout: probability in training that an example's class is dropped.
      dtype: dtype of the activations, float32 or bfloat16. Parameters and the last layer are
        float32 always.
      remat: whether blocks are computed again in the backward pass, to save memory.
    """

    out_channels: int
    features: int = 128
    num_blocks: int = 3
    time_features: int = 32
    dropout: float = 0.0
    fourier_exponents: Sequence[int] = ()
    num_conditions: int = 0
    num_classes: int = 0
    label_dropout: float = 0.0
    dtype: DTypeLike = jnp.float32
    remat: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        conditions: Float[Array, "batch {self.num_conditions}"] | None = None,
        labels: Int[Array, " batch"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "batch height width {self.out_channels}"]:
        """Maps images and times to images.

        Args:
          x: any channels, height and width.
          time: any real numbers, such as 0..999.
          conditions: numbers beside the time; None stands for zeros.
          labels: classes, where there are any; below 0, or None: no class.
          train: whether to drop out, by the "dropout" collection of keys.

        Returns:
          float32 images of out_channels.
        """
        emb = Embedding(
            self.time_features,
            self.num_conditions,
            self.num_classes,
            self.label_dropout,
            dtype=self.dtype,
            name="time",
        )(time, conditions, labels, train)
        batch, height, width, _ = x.shape
        h = fourier_features(x, self.fourier_exponents).astype(self.dtype)
        h = h.reshape(batch, -1)
        h = dense(self.features, dtype=self.dtype, name="dense_in")(h)
        block = maybe_remat(DenseBlock, self.remat)
        for i in range(self.num_blocks):
            name = f"block_{i}"
            h = block(self.features, self.dropout, self.dtype, name=name)(h, emb, train)
        shape = (height, width, self.out_channels)
        last = dense(math.prod(shape), scale=0.0, dtype=jnp.float32, name="dense_out")
        return last(nn.silu(h)).reshape(batch, *shape)


@dataclasses.dataclass(frozen=True)
class MLPOptions(NetworkOptions):
    """Options of an `MLP`."""

    features: int = option(128, "Features of every layer.", at_least=1)
    num_blocks: int = option(3, "Residual blocks.", at_least=0, at_most=1000)
    time_features: int = option(
        32, "Sinusoids of the time, an even number.", at_least=4
    )
    dropout: float = interface.dropout(0.0)
    fourier_exponents: tuple[int, ...] = interface.fourier_exponents(())
    num_conditions: int = interface.num_conditions(0)
    dtype: str = interface.dtype()
    remat: bool = interface.remat()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.time_features % 2:
            raise ValueError(
                f"time_features = {self.time_features}: write an even number, as half are"
                " sines and half cosines."
            )

    @property
    def takes_condition(self) -> bool:
        return self.num_conditions == 1

    @property
    def recomputes(self) -> bool:
        return self.remat


def _make(options: MLPOptions, spec: Interface) -> MLP:
    return MLP(
        out_channels=spec.num_outputs,
        num_classes=spec.num_classes,
        label_dropout=spec.label_dropout,
        **options.values(),
    )


CHOICE = Choice(MLPOptions, _make, frozenset({"takes_any_shape"}))
