"""What a network is told of time."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ddpm_jax.nets.layers import dense

MAX_PERIOD = 10_000.0


def sinusoidal(
    time: Float[Array, " batch"], features: int
) -> Float[Array, "batch features"]:
    """Sines, then cosines, of time at frequencies from 1 down to 1/10000 radian a unit.

    The frequencies are geometric and both ends are taken: that of number i of half is
    10000^(-i / (half - 1)) (Vaswani et al. 2017, as Ho et al. 2020 have it).

    Args:
      time: any real numbers; 0..999 for a DDPM of a thousand steps.
      features: even, and at least 4.

    Raises:
      ValueError: for another number of features.
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
    """Images, and beside them sin and cos of 2^n pi times each channel, n in exponents.

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


class TimeEmbedding(nn.Module):
    """Sinusoids through two dense layers of four times as many features.

    Attributes:
      features: number of sinusoids.
      num_conditions: numbers beside the time that an example comes with.
      dtype: of the layers. The sinusoids keep that of time: bfloat16 cannot tell 999
        from 1000.
    """

    features: int
    num_conditions: int = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        time: Float[Array, " batch"],
        conditions: Float[Array, "batch {self.num_conditions}"] | None = None,
    ) -> Float[Array, "batch embedding"]:
        """The second activation is here once, since every block would begin with it.

        Args:
          time: any real numbers.
          conditions: beside the time; None stands for zeros.
        """
        emb = sinusoidal(time, self.features)
        if self.num_conditions:
            if conditions is None:
                conditions = jnp.zeros((time.shape[0], self.num_conditions), emb.dtype)
            emb = jnp.concatenate([emb, conditions], axis=1)
        for name in ("dense_0", "dense_1"):
            emb = nn.silu(dense(4 * self.features, dtype=self.dtype, name=name)(emb))
        return emb
