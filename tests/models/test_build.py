import dataclasses

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.models import build
from ddpm_jax.training.state import TrainState, Window
from tests import tiny


def model_of(**changes):
    c = tiny.config(**changes)
    check_config(c)
    return c, build.model(c, build.source(c, "train"))


def simple_model_of(**changes):
    """With a network of one convolution."""
    c, model = model_of(**changes)
    channels = 2 if c.reverse_variance == "learned" else 1
    network = tiny.Network(channels, dropout=c.model.unet.dropout)
    return c, dataclasses.replace(model, network=network)


def test_every_average_and_the_raw_weights_can_be_named():
    c = tiny.config(ema__decay=0.9, ema__extra_decays=(0.5, 0.99))
    assert build.weight_names(c) == ["raw", "ema", "ema:0.9", "ema:0.5", "ema:0.99"]

    averages = {"0.9": "a", "0.5": "b", "0.99": "c"}
    state = TrainState(0, 0, 0, "raw parameters", averages, (), (), Window.empty())
    found = [build.weights(c, state, name) for name in build.weight_names(c)]
    assert found == ["raw parameters", "a", "a", "b", "c"]


def test_images_that_do_not_fit_the_network_are_refused():
    with pytest.raises(ConfigError, match=r"does not fit the 8x8 images .*divisible"):
        model_of(model__unet__feature_mults=(1, 1, 1, 1, 1))
