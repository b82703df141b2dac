"""The U-Net of Ho et al. 2020 (arXiv:2006.11239), with options for its successors."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ddpm_jax.core.choice import Choice
from ddpm_jax.nets import interface
from ddpm_jax.nets.encoder import Encoder, EncoderOptions
from ddpm_jax.nets.interface import Interface
from ddpm_jax.nets.layers import GroupNorm, UpsampleConv, conv


class UNet(Encoder, kw_only=True):
    """A U-Net of an image, a time, and where it has classes a label.

    After the encoder's downward path and middle, each level has one stage more on the upward
    path than on the downward one, and each takes in the output of its mirror image. The
    output starts at next to zero.

    The defaults are Ho et al.'s choices. Improved DDPM (Nichol & Dhariwal 2021) has
    scale_shift, num_heads = 4 and epsilon = 1e-5; ADM (Dhariwal & Nichol 2021) has
    scale_shift, head_features = 64, resample_blocks and the same epsilon.

    Attributes:
      out_channels: channels of the output; all other attributes are the `Encoder`'s.
    """

    out_channels: int

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
          x: any channels; height and width divisible by 2^(levels - 1).
          time: any real numbers, such as 0..999.
          conditions: numbers beside the time; None stands for zeros.
          labels: classes, where there are any; below 0, or None: no class.
          train: whether to drop out, by the "dropout" collection of keys.

        Returns:
          float32 images of out_channels.

        Raises:
          ValueError: naming the attribute or the size that does not fit the others.
        """
        emb = self.embed(time, conditions, labels, train)
        *skips, h = self.encode(x, emb, train)
        stage = self.stage()
        for level, features in reversed(list(enumerate(self.levels))):
            heads = self.heads_at(h.shape[1], features)
            for i in range(self.blocks_per_level + 1):
                name = f"up_{level}_{i}"
                h = stage(features, heads, name=name)((h, skips.pop()), emb, train)
            if level != 0:
                name = f"up_{level}_resample"
                if self.resample_blocks:
                    block = self.res_block()
                    h = block(features, resample="up", name=name)(h, emb, train)
                else:
                    h = UpsampleConv(features, dtype=self.dtype, name=name)(h)

        norm = GroupNorm(self.num_groups, self.epsilon, jnp.float32, name="norm_out")
        h = nn.silu(norm(h))
        return conv(self.out_channels, scale=0.0, dtype=jnp.float32, name="conv_out")(h)


@dataclasses.dataclass(frozen=True)
class UNetOptions(EncoderOptions):
    """Options of a `UNet`."""

    fourier_exponents: tuple[int, ...] = interface.fourier_exponents(())
    num_conditions: int = interface.num_conditions(0)

    @property
    def takes_condition(self) -> bool:
        return self.num_conditions == 1


def _make(options: UNetOptions, spec: Interface) -> UNet:
    return UNet(
        out_channels=spec.num_outputs,
        num_classes=spec.num_classes,
        label_dropout=spec.label_dropout,
        **options.values(),
    )


CHOICE = Choice(UNetOptions, _make)
