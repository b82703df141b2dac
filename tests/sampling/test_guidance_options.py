"""What guidance may be told, and what it is named."""

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import guidance_options
from ddpm_jax.sampling.guides import GUIDES
from tests.sampling.guided import FREE, WEAK, by_sorter, config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**FREE, "model__class_conditional": False}, r"class_conditional = True"),
        ({**FREE, "model__label_dropout": 0.0}, r"config.model.label_dropout above 0"),
        ({"sample__guidance": "clasifier"}, r"Did you mean 'classifier'"),
        ({"sample__guidance": "classifier"}, r"needs config.sample.classifier.workdir"),
        (
            {"sample__guidance": "autoguidance"},
            r"needs config.sample.autoguidance.workdir, .* config.sample.autoguidance.step",
        ),
        (
            {"sample__classes": (3,), "model__class_conditional": False},
            r"config.sample.classes = \(3,\) are told to nobody",
        ),
        (
            {"sample__classes": (3.0,)},
            r"config.sample.classes = \(3.0,\): write a tuple",
        ),
        (
            {**FREE, "sample__classifier_free__scale": -1.0},
            r"config.sample.classifier_free.scale = -1.0: write",
        ),
        (
            {**FREE, "sample__classifier_free__scale": 1e4},
            r"config.sample.classifier_free.scale = 10000.0: write at most 1000",
        ),
        (
            {**WEAK, "sample__autoguidance__scale": float("nan")},
            r"config.sample.autoguidance.scale = nan: write",
        ),
        (
            {**by_sorter("x"), "sample__classifier__scale": float("inf")},
            r"config.sample.classifier.scale = inf: write",
        ),
        (
            {**FREE, "sample__classifier_free__rescale": 2.0},
            r"config.sample.classifier_free.rescale = 2.0: write a number in \[0, 1\]",
        ),
        (
            {**FREE, "sample__classifier_free__interval": (3.0, -2.0)},
            r"config.sample.classifier_free.interval = \(3.0, -2.0\): write",
        ),
        (
            {**WEAK, "sample__autoguidance__interval": (3.0,)},
            r"config.sample.autoguidance.interval = \(3.0,\): write two log SNRs",
        ),
        ({**WEAK, "sample__autoguidance__step": -2}, r"autoguidance.step = -2: write"),
        ({"model__label_dropout": 1.5}, r"config.model.label_dropout = 1.5: write"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(config(**changes))
    assert "\n" not in str(error.value)


def test_a_strength_is_its_scale_and_its_interval_both_as_written():
    options = guidance_options.Scaled(scale=3.0, interval=(-2.0, 4.0))
    assert options.strength == (3.0, (-2.0, 4.0))
    assert guidance_options.Scaled(scale=1.5).strength == (1.5, None)


def test_a_file_is_named_after_the_scale_where_there_is_one():
    assert guidance_options.Scaled(scale=2.50).label == "2.5"
    assert guidance_options.Rescaled(scale=3.0, rescale=0.7).label == "3"
    assert guidance_options.GuidanceOptions().label == ""


def test_only_what_is_asked_elsewhere_is_missing():
    assert guidance_options.GuidanceOptions().missing == ""
    assert guidance_options.Rescaled().missing == ""
    for name, given in (
        ("classifier", {"workdir": "x"}),
        ("autoguidance", {"step": 0}),
    ):
        options = GUIDES[name].options
        assert "needs config.sample." + name in options().missing
        assert options(**given).missing == ""
