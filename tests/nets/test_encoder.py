"""The half of a U-Net that looks at an image: its stages, its heads, and what fits."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.encoder import Encoder, EncoderOptions
from ddpm_jax.nets.unet import UNet
from tests.nets.test_unet import CIFAR, apply, inputs, make_variables, shapes, tiny


def test_every_stage_of_an_attending_level_attends_and_no_other():
    params = shapes(UNet(**CIFAR), 32)["params"]
    attending = {name for name, value in params.items() if "attention" in value}
    assert attending == {
        "down_1_0",
        "down_1_1",
        "middle_0",
        "up_1_0",
        "up_1_1",
        "up_1_2",
    }


def test_heads_are_counted_or_sized():
    level = {"feature_mults": (2,), "attention_at": (8,)}  # Of 16 channels.
    x, time = inputs()
    variables = make_variables(tiny(**level), x, time)
    counted = apply(tiny(num_heads=2, **level), variables, x, time)
    sized = apply(tiny(head_features=8, **level), variables, x, time)
    np.testing.assert_array_equal(counted, sized)
    single = apply(tiny(**level), variables, x, time)
    assert jnp.abs(counted - single).max() > 1e-3 * single.std()


@pytest.mark.parametrize(
    "options, height, width, message",
    [
        ({}, 9, 8, "height of 9 is not divisible by 2, .* 2 levels: 8 and 10 would be"),
        ({}, 8, 1, "width of 1 is not divisible by 2, .* 2 levels: 2 would be"),
        (
            {"feature_mults": (1, 2, 2, 2), "attention_at": ()},
            28,
            28,
            "height of 28 is not divisible by 8, .* 4 levels: 24 and 32 would be",
        ),
        (
            {"attention_at": (4, 16)},
            8,
            16,
            r"attention_at = \(4, 16\) .* \[16\], but .* \[8, 4\] high",
        ),
        ({"num_groups": 3}, 8, 8, r"num_groups = 3 .* \[8, 16\]: .* \[1, 2, 4, 8\]"),
        ({"num_heads": 3}, 8, 8, "num_heads = 3 does not divide 16 channels"),
        (
            {"head_features": 5},
            8,
            8,
            "head_features = 5 does not divide the 16 channels",
        ),
        (
            {"head_features": 8, "num_heads": 2},
            8,
            8,
            "num_heads = 2 and head_features = 8 .* leave one of them",
        ),
    ],
)
def test_what_does_not_fit_is_named(options, height, width, message):
    net = tiny(**options)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(
            lambda: net.init(jax.random.key(0), *inputs(1, height, width), train=False)
        )


# One changed value of every option, and what of the module it must reach.
CHANGED = {
    "base_features": 16,
    "feature_mults": (1, 4),
    "blocks_per_level": 3,
    "attention_at": (8,),
    "dropout": 0.5,
    "num_heads": 2,
    "head_features": 4,
    "scale_shift": True,
    "resample_blocks": True,
    "num_groups": 2,
    "epsilon": 1e-3,
    "dtype": "bfloat16",
    "remat": True,
}


def test_every_option_is_an_attribute_of_the_same_name():
    assert CHANGED.keys() == EncoderOptions().values().keys()
    for name, value in CHANGED.items():
        options = EncoderOptions(**{name: value})
        module = Encoder(**options.values())
        assert getattr(module, name) == value != getattr(EncoderOptions(), name), name


class Down(Encoder, kw_only=True):
    """The way down alone."""

    @nn.compact
    def __call__(self, x, time):
        return self.encode(x, self.embed(time, None, None, False), False)


def test_outputs_are_those_of_every_stage_and_of_the_middle_last():
    net = Down(base_features=8, feature_mults=(1, 2), blocks_per_level=2, num_groups=4)
    outputs = jax.eval_shape(lambda: net.init_with_output(jax.random.key(0), *inputs()))
    shapes = [output.shape[1:] for output in outputs[0]]
    high, low = (8, 8, 8), (4, 4, 16)
    # The first convolution, two stages, the way to the next level; two more, the middle.
    assert shapes == [high, high, high, (4, 4, 8), low, low, low]


def test_no_level_is_refused():
    with pytest.raises(ValueError, match=r"feature_mults = \(\): write whole numbers"):
        EncoderOptions(feature_mults=())
