"""Self-attention over the pixels of an image."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from ddpm_jax.nets.layers import GroupNorm, Images, dense, kernel_init


class QueryKeyValue(nn.Module):
    """Queries, keys and values: three dense layers of one input, as one matrix product.

    Attributes:
      dtype: dtype of the activations.
    """

    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch pixels channels"]
    ) -> Float[Array, "batch pixels 3 channels"]:
        channels = x.shape[-1]
        kernel = self.param(
            "kernel",
            kernel_init(in_axis=0, out_axis=2, batch_axis=1),
            (channels, 3, channels),
            jnp.float32,
        )
        query, key, value = self.param(
            "bias", nn.initializers.zeros, (3, channels), jnp.float32
        )
        # query . (key + bias) moves all logits of a query alike, which softmax does
        # not see: the true gradient is zero. Adam would blow up what rounding leaves.
        bias = jnp.stack([query, jax.lax.stop_gradient(key), value])
        product = jnp.einsum("bpi,ijo->bpjo", x, kernel.astype(self.dtype))
        return product + bias.astype(self.dtype)[None, None, :, :]


class SelfAttention(nn.Module):
    """Self-attention of all pixels: GroupNorm, dot-product attention, added to the input.

    The projection starts at next to zero, so the block starts as the identity.

    Attributes:
      num_heads: number of heads, among which the channels are divided.
      num_groups: number of groups of the norm.
      epsilon: added to the variance by the norm.
      dtype: dtype of the activations. Logits and their softmax are float32.
    """

    num_heads: int
    num_groups: int
    epsilon: float
    dtype: DTypeLike

    @nn.compact
    def __call__(self, x: Images) -> Images:
        batch, height, width, channels = x.shape
        if channels % self.num_heads:
            raise ValueError(
                f"num_heads = {self.num_heads} does not divide {channels} channels."
            )
        h = GroupNorm(self.num_groups, self.epsilon, self.dtype, name="norm")(x)
        h = h.reshape(batch, height * width, channels)

        qkv = QueryKeyValue(self.dtype, name="qkv")(h)
        heads = (3, self.num_heads, channels // self.num_heads)
        qkv = qkv.reshape(batch, height * width, *heads)
        h = jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2])
        h = h.reshape(x.shape)
        return x + dense(channels, scale=0.0, dtype=self.dtype, name="projection")(h)
