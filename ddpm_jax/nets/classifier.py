"""A classifier of images with any amount of noise: a U-Net's encoder and a linear layer."""

import dataclasses
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.nets.encoder import Encoder, EncoderOptions
from ddpm_jax.nets.interface import Interface
from ddpm_jax.nets.layers import GroupNorm, dense


class ClassifierOutput(NamedTuple):
    """A classifier's output for a batch of images.

    Attributes:
      logits: one for each class; their softmax is the estimate of p(class | image).
      features: inputs of the last layer, of which the logits are a linear function.
    """

    logits: Float[Array, "batch classes"]
    features: Float[Array, "batch features"]


class Classifier(Encoder, kw_only=True):
    """A classifier: the encoder, a mean over pixels, and a linear layer.

    The last layer starts at next to zero. Dhariwal & Nichol 2021 (arXiv:2105.05233, section 4)
    guide by such a classifier; theirs pools by attention, which small images do not need.

    Attributes:
      num_outputs: number of classes; all other attributes are the `Encoder`'s.
    """

    num_outputs: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch height width channels"],
        time: Float[Array, " batch"],
        *,
        train: bool,
    ) -> ClassifierOutput:
        """Maps images and times to logits of the classes.

        Args:
          x: any channels; height and width divisible by 2^(levels - 1).
          time: any real numbers, such as 0..999.
          train: whether to drop out, by the "dropout" collection of keys.

        Raises:
          ValueError: naming the attribute or the size that does not fit the others.
        """
        *_, h = self.encode(x, self.embed(time, None, None, train), train)
        norm = GroupNorm(self.num_groups, self.epsilon, jnp.float32, name="norm_out")
        features = jnp.mean(nn.silu(norm(h)), axis=(1, 2))
        last = dense(self.num_outputs, scale=0.0, dtype=jnp.float32, name="logits")
        return ClassifierOutput(logits=last(features), features=features)


@dataclasses.dataclass(frozen=True)
class ClassifierOptions(EncoderOptions):
    """Options of a `Classifier`: those of the `Encoder`, with other defaults."""

    base_features: int = option(64, "Channels of the first level.", at_least=1)
    feature_mults: tuple[int, ...] = option(
        (1, 2),
        "Channels over base_features, one a resolution, from the image's down.",
        at_least=1,
        remedy="write whole numbers from 1 on, one a resolution",
    )
    attention_at: tuple[int, ...] = option(
        (), "Heights of the images to attend over.", example=(8,)
    )
    scale_shift: bool = option(
        True, "The time scales and shifts activations, rather than being added."
    )


def _make(options: ClassifierOptions, spec: Interface) -> Classifier:
    return Classifier(num_outputs=spec.num_outputs, **options.values())


CHOICE = Choice(ClassifierOptions, _make, frozenset({"classifier"}))
