"""All that can be said against a config: each of its checks is reached, in one line."""

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from tests import tiny


@pytest.mark.parametrize(
    "field, value, wanted",
    [
        ("prediction", "epss", "'eps'"),
        ("reverse_variance", "fixed", "posterior"),
        ("schedule__name", "cosin", "'cosine'"),
        ("loss__weighting", "simpel", "'simple'"),
        ("loss__time_sampling", "stratifed", "'stratified'"),
        ("optimizer__name", "adamx", "'adamw'"),
        ("optimizer__decay", "cosin", "'cosine'"),
        ("parallel__mode", "jitt", "'jit'"),
        ("eval__estimators", "ful", "'full'"),
        ("eval__weights", "emaa", "'ema'"),
        ("sample__sampler", "ddmi", "'ddim'"),
        ("sample__spacing", "quadratc", "'quadratic'"),
        ("sample__weights", "ema:0.3", "'ema:0.9'"),
        ("model__name", "unett", "'unet'"),
        ("model__unet__dtype", "float16", "bfloat16"),
    ],
)
def test_a_misspelt_choice_is_corrected(field, value, wanted):
    name = field.replace("__", ".")
    with pytest.raises(ConfigError, match=rf"config.{name} = '{value}'.*{wanted}"):
        check_config(tiny.config(**{field: value}))


def test_an_odd_number_of_stratified_draws_is_refused():
    with pytest.raises(ConfigError, match=r"eval.num_draws = 6: .* multiple of 4"):
        check_config(tiny.config(eval__num_draws=6))


@pytest.mark.parametrize(
    "changes, message",
    [
        # Of choices, and of two fields together.
        ({"sample__shard_size": 0}, r"config.sample.shard_size = 0: write 1 or more"),
        (
            {"training__num_microbatches": 3},
            r"batch_size = 16 does not divide into .*num_microbatches = 3: 18 would",
        ),
        # Of what is measured, and of what is drawn.
        ({"eval__estimators": "stratified,ful"}, r"Did you mean 'full'"),
        ({"sample__num_steps": 11}, r"config.sample.num_steps = 11 is more than"),
        # Of weights, which are named after the averages there are.
        ({"eval__weights": "ema:0.3"}, r"config.eval.weights = 'ema:0.3'"),
        ({"sample__weights": "best"}, r"config.sample.weights = 'best'"),
    ],
)
def test_every_kind_of_mistake_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(tiny.config(**changes))
    assert "\n" not in str(error.value)


def test_a_field_by_itself_is_of_its_type():
    config = tiny.config()
    with config.ignore_type():
        config.seed = 0.5
    with pytest.raises(ConfigError, match=r"config.seed = 0.5 is of type float"):
        check_config(config)


def test_what_is_right_passes():
    for config in (tiny.config(), tiny.variational(), tiny.sorting()):
        check_config(config)
