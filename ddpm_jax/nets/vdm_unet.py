"""The network of variational diffusion models: a U-Net at one resolution."""

import dataclasses
import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.nets import interface
from ddpm_jax.nets.blocks import Stage, maybe_remat
from ddpm_jax.nets.embeddings import Embedding, fourier_features
from ddpm_jax.nets.interface import Interface, NetworkOptions
from ddpm_jax.nets.layers import GroupNorm, check_groups, conv


class VDMUNet(nn.Module):
    """A U-Net whose stages all have the image's own resolution.

    Kingma et al. 2021 (arXiv:2107.00630, appendix B): likelihood is made of fine detail,
    which down-sampling would lose. `num_layers` stages are followed by two in the middle,
    the first with attention, and by one more than `num_layers`, each of which takes in
    the output of its mirror image. The result is added to the input: a network that
    predicts eps begins as the guess that all of z_t is noise.

    Attributes:
      out_channels: channels of the output.
      base_features: channels throughout.
      num_layers: stages before the middle.
      attention_everywhere: whether every stage attends, not the middle alone.
      dropout: dropout rate, in every residual block.
      num_heads: number of heads of each attention.
      num_groups: number of groups of the norms; divides base_features.
      epsilon: added to the variance by the norms.
      fourier_exponents: exponents of `embeddings.fourier_features`; (): none.
      num_conditions: how many numbers an example has beside its time. The published
        configs have one, whether it is used or not.
      num_classes: number of classes; 0: examples have no class.
      label_dropout: probability in training that an example's class is dropped.
      dtype: dtype of the activations, float32 or bfloat16. Parameters, norms' statistics,
        the attention's softmax and the last layer are float32 always.
      remat: whether stages are computed again in the backward pass, to save memory.
    """

    out_channels: int
    base_features: int
    num_layers: int
    attention_everywhere: bool = False
    dropout: float = 0.0
    num_heads: int = 1
    num_groups: int = 32
    epsilon: float = 1e-6
    fourier_exponents: Sequence[int] = (7, 8)
    num_conditions: int = 1
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
          time: any real numbers, such as 0..1000.
          conditions: numbers beside the time; None stands for zeros.
          labels: classes, where there are any; below 0, or None: no class.
          train: whether to drop out, by the "dropout" collection of keys.

        Returns:
          float32 images of out_channels.

        Raises:
          ValueError: naming the attribute that does not fit.
        """
        check_groups(self.num_groups, [self.base_features])
        stage = functools.partial(
            maybe_remat(Stage, self.remat),
            self.base_features,
            num_groups=self.num_groups,
            epsilon=self.epsilon,
            dropout=self.dropout,
            scale_shift=False,
            zero_embedding=True,
            dtype=self.dtype,
        )
        heads = self.num_heads if self.attention_everywhere else 0

        emb = Embedding(
            self.base_features,
            self.num_conditions,
            self.num_classes,
            self.label_dropout,
            dtype=self.dtype,
            name="time",
        )(time, conditions, labels, train)
        h = fourier_features(x, self.fourier_exponents).astype(self.dtype)
        h = conv(self.base_features, dtype=self.dtype, name="conv_in")(h)
        skips = [h]
        for i in range(self.num_layers):
            h = stage(heads, name=f"down_{i}")((h,), emb, train)
            skips.append(h)
        h = stage(self.num_heads, name="middle_0")((h,), emb, train)
        h = stage(0, name="middle_1")((h,), emb, train)
        for i in range(self.num_layers + 1):
            h = stage(heads, name=f"up_{i}")((h, skips.pop()), emb, train)

        norm = GroupNorm(self.num_groups, self.epsilon, jnp.float32, name="norm_out")
        h = nn.silu(norm(h))
        h = conv(self.out_channels, scale=0.0, dtype=jnp.float32, name="conv_out")(h)
        # Further channels, where there are any, hold a learned variance, not a prediction.
        missing = self.out_channels - x.shape[-1]
        return h + jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, missing)))


@dataclasses.dataclass(frozen=True)
class VDMUNetOptions(NetworkOptions):
    """Options of a `VDMUNet`; the defaults are the published ones for CIFAR-10."""

    base_features: int = option(128, "Channels throughout.", at_least=1)
    num_layers: int = option(32, "Stages on either side of the middle.", at_least=1)
    attention_everywhere: bool = option(
        False, "Every stage attends, rather than the middle alone."
    )
    dropout: float = interface.dropout()
    num_heads: int = option(1, "Heads of each attention.", at_least=1)
    num_groups: int = option(32, "Groups of the group norms.", at_least=1)
    epsilon: float = interface.epsilon()
    fourier_exponents: tuple[int, ...] = interface.fourier_exponents((7, 8))
    num_conditions: int = interface.num_conditions(1)
    dtype: str = interface.dtype()
    remat: bool = interface.remat()

    @property
    def takes_condition(self) -> bool:
        return self.num_conditions == 1

    @property
    def recomputes(self) -> bool:
        return self.remat


def _make(options: VDMUNetOptions, spec: Interface) -> VDMUNet:
    return VDMUNet(
        out_channels=spec.num_outputs,
        num_classes=spec.num_classes,
        label_dropout=spec.label_dropout,
        **options.values(),
    )


CHOICE = Choice(VDMUNetOptions, _make)
