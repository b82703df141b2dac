"""What of a config does not go together."""

import pytest

from ddpm_jax import check
from ddpm_jax.config import combinations
from ddpm_jax.core.errors import ConfigError
from tests import tiny


def test_a_batch_that_does_not_divide_is_told_the_next_that_does():
    c = tiny.config(data__batch_size=20)
    with pytest.raises(ConfigError, match=r"batch_size = 20 .* 8 devices.* is 24\."):
        combinations.devices(c, 8)
    c = tiny.config(data__batch_size=16, training__num_microbatches=4)
    with pytest.raises(ConfigError, match=r"8 devices in 4 microbatches.* is 32\."):
        combinations.devices(c, 8)
    with pytest.raises(ConfigError, match=r"num_microbatches = 3: 18 would"):
        combinations.combinations(tiny.config(training__num_microbatches=3))


@pytest.mark.parametrize(
    "of, name, remedy",
    [
        (tiny.config, "gaussian", "discretized_gaussian"),
        (tiny.points, "discretized_gaussian", "gaussian"),
    ],
)
def test_a_decoder_of_other_data_is_what_is_told_first(of, name, remedy):
    c = of(decoder__name=name)
    said = rf"config\.decoder\.name = '{name}' is of .* write .*'{remedy}'"
    with pytest.raises(ConfigError, match=said):
        check.check_config(c)


@pytest.mark.parametrize(
    "of, changes, fields",
    [
        (
            tiny.variational,
            {"loss__weighting": "simple"},
            "loss.weighting schedule.name",
        ),
        (
            tiny.variational,
            {"decoder__mean": "x_hat"},
            "decoder.mean schedule.num_steps",
        ),
        (
            tiny.variational,
            {"reverse_variance": "learned"},
            "reverse_variance schedule.num_steps",
        ),
        (
            tiny.variational,
            {"model__time_input": "t"},
            "model.time_input loss.interior",
        ),
        (
            tiny.config,
            {"data__augmentation_flag": True, "data__flip": True},
            "data.augmentation_flag model.unet.num_conditions",
        ),
        (
            tiny.config,
            {"data__augmentation_flag": True, "model__unet__num_conditions": 1},
            "data.augmentation_flag data.flip data.rotate",
        ),
        (tiny.sorting, {"model__class_conditional": True}, "model.class_conditional"),
        (tiny.sorting, {"schedule__name": "learned_monotone"}, "schedule.name"),
        (tiny.sorting, {"training__sample_every": 2}, "training.sample_every"),
        (
            tiny.config,
            {
                "schedule__name": "constant_beta",
                "schedule__num_steps": 0,
                "decoder__mean": "z_0",
            },
            "schedule.name schedule.num_steps",
        ),
        (
            tiny.config,
            {"training__num_microbatches": 3},
            "data.batch_size training.num_microbatches",
        ),
    ],
)
def test_two_fields_that_do_not_go_together_are_both_named(of, changes, fields):
    combinations.combinations(of())
    with pytest.raises(ConfigError) as error:
        combinations.combinations(of(**changes))
    text = str(error.value)
    assert all(f"config.{field}" in text for field in fields.split()), text
    assert "\n" not in text


@pytest.mark.parametrize(
    "changes",
    [
        {"model__time_input": "t", "loss__interior": "elbo"},
        {"model__time_input": "t", "schedule__learned_monotone__interior": "line"},
        {"model__time_input": "t", "schedule__num_steps": 10},
        {"reverse_variance": "learned", "schedule__num_steps": 10},
    ],
)
def test_what_goes_together_passes(changes):
    combinations.combinations(tiny.variational(**changes))


def test_an_interior_learns_if_it_has_parameters():
    assert combinations.interior_learns(tiny.variational())
    line = tiny.variational(schedule__learned_monotone__interior="line")
    assert not combinations.interior_learns(line)
    assert combinations.interior_learns(tiny.config())


@pytest.mark.parametrize("group", ["data", "eval", "sample"])
def test_every_batch_divides_over_the_devices(group):
    c = tiny.config(data__batch_size=16, eval__batch_size=16, sample__batch_size=16)
    combinations.devices(c, 8)
    c[group].batch_size = 12
    with pytest.raises(
        ConfigError, match=rf"^config\.{group}\.batch_size = 12 .* is 16\."
    ):
        combinations.devices(c, 8)


@pytest.mark.parametrize("how", ["flip", "rotate"])
def test_a_network_is_told_of_either_augmentation(how):
    told = {"data__augmentation_flag": True, "model__unet__num_conditions": 1}
    combinations.combinations(tiny.config(**told, **{f"data__{how}": True}))
