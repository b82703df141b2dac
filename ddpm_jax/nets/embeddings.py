"""Embeddings of a network's inputs beside the image: time, numbers and class."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ddpm_jax.nets.layers import dense

MAX_PERIOD = 10_000.0


def sinusoidal(
    time: Float[Array, " batch"], features: int
) -> Float[Array, "batch features"]:
    """Sinusoidal embedding: sines, then cosines, of time at frequencies from 1 to 1/10000.

    The frequencies, in radians per unit of time, are geometric with both ends included:
    frequency i of half is 10000^(-i / (half - 1)) (Vaswani et al. 2017, as in Ho et al. 2020).

    Args:
      time: any real numbers; 0..999 for a DDPM of a thousand steps.
      features: even, and at least 4.

    Raises:
      ValueError: the number of features is odd, or below 4.
    """
    if features % 2 or features < 4:
        raise ValueError(
            f"a time embedding of {features} features: write an even number from 4 up."
        )
    half = features // 2
    frequencies = jnp.exp(
        jnp.arange(half, dtype=time.dtype) * (-math.log(MAX_PERIOD) / (half - 1))
    )
    angles = time[:, None] * frequencies[None, :]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)


def fourier_features(
    x: Float[Array, "batch height width channels"], exponents: Sequence[int]
) -> Float[Array, "batch height width new_channels"]:
    """Images with further channels: sin and cos of 2^n pi times each channel, n in exponents.

    They show a network the last digits of its input, the finest detail of little noise
    (Kingma et al. 2021, arXiv:2107.00630, appendix C, where n is 7 and 8). Without
    exponents the images come back as they are.
    """
    if not exponents:
        return x
    frequencies = math.pi * 2.0 ** jnp.asarray(exponents, x.dtype)
    angles = x[..., None] * frequencies[None, None, None, None, :]
    angles = angles.reshape(*x.shape[:-1], -1)
    return jnp.concatenate([x, jnp.sin(angles), jnp.cos(angles)], axis=-1)


class ClassEmbedding(nn.Module):
    """A learned vector for each class, and one for no class.

    A network that sees the vector for none in some of its training learns both p(x | class)
    and p(x) (Ho & Salimans 2022, arXiv:2207.12598, algorithm 1).

    Attributes:
      num_classes: labels are 0..num_classes-1; any below 0 stands for none.
      features: length of a vector.
      dropout: probability in training that an example's class is replaced by no class.
      dtype: dtype of the vectors.
    """

    num_classes: int
    features: int
    dropout: float
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, labels: Int[Array, " batch"], train: bool
    ) -> Float[Array, "batch features"]:
        """The vectors of labels; in training, dropout draws from the "dropout" keys."""
        if train and self.dropout:
            key = self.make_rng("dropout")
            dropped = jax.random.bernoulli(key, self.dropout, labels.shape)
            labels = jnp.where(dropped, -1, labels)
        rows = jnp.where(labels < 0, self.num_classes, labels)
        table = nn.Embed(
            self.num_classes + 1,
            self.features,
            embedding_init=nn.initializers.normal(1.0),
            dtype=self.dtype,
            name="table",
        )
        return table(rows)


class Embedding(nn.Module):
    """The embedding of a network's inputs beside the image: time, numbers and class.

    Sinusoids of the time, and the numbers, go through two dense layers of four times as many
    features, between which and the last activation the class is added.

    Attributes:
      features: number of sinusoids.
      num_conditions: how many numbers an example has beside its time.
      num_classes: number of classes; 0: examples have no class.
      label_dropout: dropout rate of `ClassEmbedding`.
      dtype: dtype of the layers. The sinusoids keep that of time: bfloat16 cannot tell 999
        from 1000.
    """

    features: int
    num_conditions: int = 0
    num_classes: int = 0
    label_dropout: float = 0.0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        time: Float[Array, " batch"],
        conditions: Float[Array, "batch {self.num_conditions}"] | None = None,
        labels: Int[Array, " batch"] | None = None,
        train: bool = False,
    ) -> Float[Array, "batch embedding"]:
        """The embedding, after the activation with which every block would begin.

        Args:
          time: any real numbers.
          conditions: numbers beside the time; None stands for zeros.
          labels: classes; None stands for no class. Not used where there are no classes.
          train: whether to drop labels at the rate label_dropout.
        """
        emb = sinusoidal(time, self.features)
        if self.num_conditions:
            if conditions is None:
                conditions = jnp.zeros((time.shape[0], self.num_conditions), emb.dtype)
            emb = jnp.concatenate([emb, conditions], axis=1)
        num_out = 4 * self.features
        emb = nn.silu(dense(num_out, dtype=self.dtype, name="dense_0")(emb))
        emb = dense(num_out, dtype=self.dtype, name="dense_1")(emb)
        if self.num_classes:
            if labels is None:
                labels = jnp.full(time.shape, -1)
            class_embedding = ClassEmbedding(
                self.num_classes,
                num_out,
                dropout=self.label_dropout,
                dtype=self.dtype,
                name="class",
            )
            emb = emb + class_embedding(labels, train)
        return nn.silu(emb)
