"""Checks of a config by the definitions of its fields."""

import pytest

from ddpm_jax import config as config_lib
from ddpm_jax.config import check, combinations
from ddpm_jax.core.errors import ConfigError
from tests import tiny


def test_the_defaults_pass_their_own_checks():
    c = config_lib.default()
    check.fields(c)
    check.choices(c)
    combinations.devices(c, 8)


def test_an_unknown_field_is_named_and_corrected():
    c = config_lib.default()
    c.schedule.num_step = 3
    with pytest.raises(
        ConfigError, match=r"config.schedule.num_step\. .*'schedule.num_"
    ):
        check.fields(c)


def test_an_option_that_a_choice_does_not_take_is_told_what_it_takes():
    with pytest.raises(ConfigError) as error:
        check.overrides(["--config.sample.unipc.eta=0.5"])
    assert str(error.value).startswith("unknown field config.sample.unipc.eta.")
    assert str(error.value).endswith(
        "config.sample.unipc takes lower_order_final, order."
    )
    with pytest.raises(ConfigError, match=r"config\.sample\.heun takes churn\.$"):
        check.overrides(["--config.sample.heun.amount=1.0"])


def test_a_missing_field_is_named():
    c = config_lib.default()
    del c.optimizer["b1"]
    with pytest.raises(ConfigError, match=r"config.optimizer.b1 is missing"):
        check.fields(c)


@pytest.mark.parametrize(
    "field, value, kind", [("seed", "zero", "int"), ("data.flip", 1, "bool")]
)
def test_a_wrong_type_is_named(field, value, kind):
    c = config_lib.default()
    with c.ignore_type():
        c.update_from_flattened_dict({field: value})
    with pytest.raises(ConfigError, match=rf"config.{field} = .* write a {kind}"):
        check.fields(c)


def test_an_int_may_stand_for_a_float():
    c = tiny.config(optimizer__learning_rate=1)
    check.fields(c)


@pytest.mark.parametrize(
    "field, value",
    [
        ("data.batch_size", 0),
        ("training.num_steps", 0),
        ("schedule.num_steps", 1),
        ("sample.num_steps", 1),
        ("eval.num_draws", 0),
        ("optimizer.learning_rate", 0.0),
        ("optimizer.clip_norm", -1.0),
        ("ema.decay", 1.0),
        ("training.max_skipped", 0),
        ("optimizer.learning_rate", float("nan")),
        ("optimizer.schedule_learning_rate", 0.0),
        ("model.unet.head_features", -1),
        ("model.vdm_unet.num_layers", 0),
        ("schedule.learned_monotone.degree", 0),
    ],
)
def test_a_number_out_of_range_is_named_with_its_value(field, value):
    c = config_lib.default()
    c.update_from_flattened_dict({field: value})
    with pytest.raises(ConfigError, match=rf"config.{field} = {value}"):
        check.choices(c)


@pytest.mark.parametrize("mults", [(), (1, 0)])
def test_a_resolution_needs_channels(mults):
    c = config_lib.default()
    c.model.unet.feature_mults = mults
    with pytest.raises(ConfigError, match=r"feature_mults = .* whole numbers from 1"):
        check.choices(c)


def test_overrides_are_checked_before_they_are_read():
    check.overrides(
        ["main.py", "--config=x.py", "--config.seed=1", "--config.data.name=a"]
    )
    with pytest.raises(ConfigError, match=r"config.sed\. Did you mean 'seed'"):
        check.overrides(["--config.sed=1"])


@pytest.mark.parametrize(
    "field, value",
    [
        ("ema.extra_decays", ("a",)),
        ("sample.classes", (1.5,)),
        ("sample.classes", (True,)),
    ],
)
def test_what_a_tuple_holds_is_of_its_type(field, value):
    c = config_lib.default()
    with c.ignore_type():
        c.update_from_flattened_dict({field: value})
    with pytest.raises(
        ConfigError, match=rf"^config\.{field} = .*write a tuple of num"
    ):
        check.fields(c)


def test_a_choice_that_does_not_exist_is_told_and_options_of_others_are_checked():
    c = config_lib.default()
    c.sample.spacing = "kerras"
    with pytest.raises(ConfigError, match=r"config\.sample\.spacing = .*'karras'\?"):
        check.choices(c)
    c = config_lib.default()
    c.loss.min_snr.gamma = -1.0
    with pytest.raises(ConfigError, match=r"^config\.loss\.min_snr\.gamma = -1.0: "):
        check.choices(c)
    c = config_lib.default()
    c.data.name = "tfds:any"  # What follows the name is the data's own matter.
    check.choices(c)


def test_a_group_may_be_overridden_and_an_unknown_one_is_told_its_neighbours():
    check.overrides(["-config.model.unet=x", "config.nothing=1", "--other.nothing=1"])
    with pytest.raises(ConfigError) as error:
        check.overrides(["--config.ema.decai=0.5"])
    assert str(error.value) == (
        "unknown field config.ema.decai. Did you mean 'ema.decay'? config.ema takes decay,"
        " extra_decays, warmup."
    )
