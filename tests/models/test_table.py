"""What a model is made of, by name: every name makes its own thing."""

import pytest

from ddpm_jax.diffusion.process import (
    categorical,
    discretized_gaussian,
    gaussian_decoder,
    schedules,
)
from ddpm_jax.models import backbone, table
from ddpm_jax.nets.classifier import Classifier
from ddpm_jax.nets.interface import Interface
from ddpm_jax.nets.mlp import MLP
from ddpm_jax.nets.monotone import Monotone
from ddpm_jax.nets.unet import UNet
from ddpm_jax.nets.vdm_unet import VDMUNet


def test_each_network_is_its_own_class():
    made = {name: type(c.default(Interface(3))) for name, c in table.MODELS.items()}
    assert made == {
        "unet": UNet,
        "vdm_unet": VDMUNet,
        "mlp": MLP,
        "classifier": Classifier,
    }
    sorts = {name for name, c in table.MODELS.items() if c.has("classifier")}
    assert sorts == {"classifier"}


@pytest.mark.parametrize("name", table.SCHEDULES)
def test_a_schedule_is_fixed_unless_it_is_learned(name):
    choice = table.SCHEDULES[name]
    made = choice.default(20)
    kind = Monotone if choice.has("learned") else schedules.Schedule
    assert isinstance(made, kind)
    assert choice.has("learned") == (name == "learned_monotone")


def test_decoders_have_their_values_and_their_mean():
    found = {n: c.default(17, "z_0") for n, c in table.PIXEL_DECODERS.items()}
    assert found == {
        "discretized_gaussian": discretized_gaussian.DiscretizedGaussian(17, "z_0"),
        "categorical": categorical.Categorical(17, "z_0"),
        "gaussian": gaussian_decoder.GaussianDecoder(1.0, 0.0, "z_0"),
    }


def made(choices):
    return {name: choice.default() for name, choice in choices.items()}


def test_names_that_stand_for_numbers_and_functions():
    assert made(table.REVERSE_VARIANCES) == {
        "posterior": 0.0,
        "forward": 1.0,
        "learned": None,
    }
    assert made(table.TIME_INPUTS) == {
        "t": backbone.by_time,
        "log_snr": backbone.by_log_snr,
    }
    assert made(table.DECODER_MEANS) == {"x_hat": "x_hat", "z_0": "z_0"}


def traits(choices):
    return {name: set(choice.traits) for name, choice in choices.items()}


def test_traits_are_what_others_rely_on():
    assert traits(table.REVERSE_VARIANCES)["learned"] == {"learned"}
    assert traits(table.TIME_INPUTS) == {"t": set(), "log_snr": {"follows_log_snr"}}
    assert traits(table.DECODER_MEANS) == {"x_hat": {"needs_network"}, "z_0": set()}
    bound = {
        name for name, own in traits(table.LOSSES).items() if "is_the_bound" in own
    }
    assert bound == {"elbo"}
    assert traits(table.TIME_SAMPLINGS) == {
        "uniform": set(),
        "stratified": {"stratified"},
        "importance": {"stratified", "by_loss"},
    }
    assert traits(table.INTERIOR_GOALS) == {
        "variance": {"least_variance"},
        "elbo": set(),
    }
