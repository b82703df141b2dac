"""All that can be said against a config: each of its checks is reached, in one line."""

import pytest

from ddpm_jax import check
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


CHECKS = {
    "train": check.for_training,
    "eval": check.for_evaluation,
    "sample": check.for_sampling,
    "reference": check.for_reference,
}
SAMPLES_TOO = {
    "eval__estimators": "stratified,fid",
    "eval__quality__extractor": "classifier",
    "eval__quality__classifier": "somewhere",
}


@pytest.mark.parametrize(
    "changes, refused_by",
    [
        # On 8 devices: the batches that a mode uses, and no others.
        ({"data__batch_size": 12}, "train"),
        ({"eval__batch_size": 12}, "eval reference"),
        ({"eval__batch_size": 12, "training__eval_every": 2}, "train eval reference"),
        ({"sample__batch_size": 12}, "sample"),
        ({"sample__batch_size": 12, "training__sample_every": 2}, "train sample"),
        (SAMPLES_TOO | {"sample__batch_size": 12}, "sample eval"),
        (SAMPLES_TOO, ""),
        # Faults of a group by those that use it; of a field by itself by all.
        ({"eval__num_draws": 6}, "train eval"),
        ({"eval__weights": "ema:0.3"}, "train eval"),
        ({"sample__num_steps": 11}, "train sample"),
        (SAMPLES_TOO | {"sample__num_steps": 11}, "train eval sample"),
        ({"sample__weights": "best"}, "train sample"),
        ({"sample__shard_size": 0}, "train eval sample reference"),
    ],
)
def test_a_mode_checks_what_it_uses(changes, refused_by):
    config = tiny.config(**changes)
    for mode, check_for_mode in CHECKS.items():
        if mode in refused_by.split():
            with pytest.raises(ConfigError):
                check_for_mode(config, 8)
        else:
            check_for_mode(config, 8)


def test_a_run_of_batch_8_is_sampled_on_3_devices():
    config = tiny.config(data__batch_size=8, sample__batch_size=9)
    check.for_sampling(config, 3)
    with pytest.raises(
        ConfigError, match=r"data\.batch_size = 8 does not divide over 3"
    ):
        check.for_training(config, 3)
