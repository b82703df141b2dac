"""Every choice of every table: it builds, its options are checked, its traits hold."""

import ast
import dataclasses
import math
import pathlib
import typing

import pytest

from ddpm_jax.check import check_config
from ddpm_jax.config import schema
from ddpm_jax.core import choice
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data.table import ARGUMENTS
from ddpm_jax.evaluation.table import ESTIMATORS
from tests import built_choices, tiny

ROOT = pathlib.Path(__file__).parents[1]
TABLES = choice.tables(schema.Whole)
CHOICES = [(field, name) for field, table in TABLES.items() for name in table]
WITH_OPTIONS = [(f, n) for f, n in CHOICES if dict(choice.leaves(TABLES[f][n].options))]
# What each trait says of a choice that has it.
TRAITS = {
    "needs_another_model": "guidance: it reads a model from another workdir",
    "needs_network": "a decoder's mean: it is the network's estimate at z_0",
    "between_latents": "an estimator: it asks the model between the latents of a chain",
    "clips_nothing": "an estimator: x_hat may leave the range of the data",
    "continuous": "a data set, its decoder: the data are real numbers, with a density",
    "cuts_to_range": "a threshold: x_hat stays in the range of pixel values",
    "compares_covariances": "a metric: few samples have no covariance of full rank",
    "goes_on": "a start: it takes the other run's step and all its state",
    "ends": "a decay: the rate stays as it is from there on",
    "at_path": "a data set: its name is followed by a path",
    "by_loss": "times: more of them where the loss varies more",
    "by_classes": "a metric: it needs the classes of an extractor",
    "classifier": "a network: it sorts images",
    "finds_log_snr": "a grid of times: it looks for log SNRs in a table of latents",
    "follows_log_snr": "a network's time: it is a function of log SNR alone",
    "from_noise": "a task: samples are made of noise alone",
    "is_the_bound": "a loss: the variational bound itself",
    "knows_classes": "guidance: it gives classes to a model that is told none",
    "learned": "a schedule, a reverse variance: training finds it",
    "least_variance": "a learned schedule's interior: it lowers the bound's variance",
    "listed": "a grid of times: it is as long as the user's list",
    "memoryless": "a sampler: its state is a latent, and one question makes a step",
    "likelihood": "an estimator: of -log p, of a denoiser",
    "named": "a data set: its name is followed by another",
    "named_or_at_path": "a data set: its name is followed by another, or by a path",
    "named_axis": "a way to train: the step averages over an axis by its name",
    "needs_classes": "guidance: the model must know p(x | class) and p(x)",
    "needs_independent_samples": "a metric: its estimate of samples is without bias",
    "needs_previous_latent": "a prediction: it depends on the latent before",
    "needs_a_chain": "an estimator: it sums over transitions",
    "of_a_length": "a decay: the rate depends on the number of steps",
    "of_a_classifier": "an estimator: it measures a classifier",
    "of_samples": "an estimator: a metric of samples",
    "own_steps": "a sampler: it has no list of times",
    "reads_z_0": "a readout: it is made of z_0 and not of x_hat alone",
    "stratified": "times: they cover [0, 1) evenly",
    "table_of_T": "a schedule: a table of T betas",
    "takes_pilot": "an estimator: a pilot pass tells it where draws are worth most",
    "takes_any_shape": "a network: images of one pixel fit it too",
    "unguided": "guidance: none",
    "without_classes": "an extractor: it gives features alone",
}
SMALL = tiny.config()
# What else of a config a choice needs.
COMPANIONS = {
    **{
        ("eval.estimators", name): {"eval.quality.inception": "somewhere"}
        for name, estimator in ESTIMATORS.items()
        if estimator.has("of_samples")
    },
    ("schedule.name", "learned_monotone"): {"loss.weighting": "elbo"},
    ("training.start_with", "state"): {"training.start_from": "somewhere"},
    ("sample.spacing", "explicit"): {"sample.explicit.times": (9, 4, 0)},
    ("sample.guidance", "classifier_free"): {"model.class_conditional": True},
    ("sample.guidance", "classifier"): {"sample.classifier.workdir": "somewhere"},
    ("sample.guidance", "autoguidance"): {"sample.autoguidance.step": 3},
    ("sample.task", "inpainting"): {
        "sample.inpainting.image": "a.png",
        "sample.inpainting.mask": "b.png",
    },
    ("sample.task", "colorization"): {"sample.colorization.image": "a.png"},
    ("sample.task", "super_resolution"): {"sample.super_resolution.image": "a.png"},
    ("sample.task", "image_to_image"): {"sample.image_to_image.image": "a.png"},
    ("sample.task", "interpolation"): {
        "sample.sampler": "ddim",
        "sample.interpolation.first": "a.png",
        "sample.interpolation.last": "b.png",
    },
    ("model.name", "vdm_unet"): {
        "model.vdm_unet.base_features": 8,
        "model.vdm_unet.num_layers": 1,
        "model.vdm_unet.num_groups": 2,
    },
    ("decoder.name", "gaussian"): {
        "data.name": "points:moons",
        "sample.threshold": "none",
        "eval.clip": False,
    },
    ("model.name", "classifier"): {
        "eval.estimators": "accuracy",
        "model.classifier.base_features": 8,
        "model.classifier.blocks_per_level": 1,
        "model.classifier.num_groups": 2,
    },
    ("eval.estimators", "accuracy"): {"model.name": "classifier"},
    ("eval.quality.extractor", "inception"): {"eval.quality.inception": "somewhere"},
    ("eval.quality.extractor", "classifier"): {"eval.quality.classifier": "somewhere"},
    ("data.name", "tfds"): {"data.name": "tfds:something"},
    ("data.name", "points"): {
        "data.name": "points:moons",
        "decoder.name": "gaussian",
        "sample.threshold": "none",
        "eval.clip": False,
    },
    ("data.name", "folder"): {"data.name": "folder:somewhere"},
}
NOTHING, FAR = "nonsense", 10**30
NUMBERS = (NOTHING, math.nan, -FAR, -1, 0, FAR)
# By the type of the default: what is of another, no number, far beyond either end, or empty.
WRONG = {
    bool: ("yes", 2, ()),
    int: (*NUMBERS, 1.5, True),
    float: (NOTHING, math.nan, math.inf, -math.inf, -1e30, -1.0, 0.0, 1e30, ()),
    str: (3, NOTHING, ""),
    tuple: (NOTHING, (), (NOTHING,), (math.nan,), (-FAR,), (FAR,), (1.5, -1)),
}


def config_of(field, name, **changes):
    """A small config that makes this choice, with other values of whatever type."""
    c = SMALL.copy_and_resolve_references()
    for full, value in {
        field: name,
        **COMPANIONS.get((field, name), {}),
        **changes,
    }.items():
        group, _, last = full.rpartition(".")
        values = c
        for part in group.split(".") if group else ():
            values = values[part]
        with values.ignore_type():
            values[last] = value
    return c


def beside(field, name):
    """The config group of a choice."""
    return ".".join([*field.split(".")[:-1], name])


def options_of(c, field, name):
    """The options that a config holds of a choice."""
    options = TABLES[field][name].options
    if not dataclasses.fields(options):
        return options()
    values = c
    for part in beside(field, name).split("."):
        values = values[part]
    return choice.read(options, values, f"config.{beside(field, name)}")


def made(c, field, name):
    """What a config's choice makes, looked at."""
    built_choices.LOOKS[field](c, TABLES[field][name], options_of(c, field, name))


def test_every_table_is_looked_at():
    assert TABLES.keys() == built_choices.LOOKS.keys()


@pytest.mark.parametrize("field, name", CHOICES)
def test_a_choice_builds_of_its_defaults(field, name):
    c = config_of(field, name)
    check_config(c)
    made(c, field, name)


@pytest.mark.parametrize("field, name", WITH_OPTIONS)
def test_a_wrong_option_is_told_by_its_full_name_or_works(field, name):
    said = []
    for option, leaf in choice.leaves(TABLES[field][name].options):
        for value in WRONG[type(leaf.default)]:
            full = f"{beside(field, name)}.{option}"
            if complaint := wrong_with(field, name, full, value):
                said.append(f"config.{full} = {value!r}: {complaint}")
    assert said == []


def wrong_with(field, name, full, value):
    """What is wrong with how a value of an option is taken; "" if nothing."""
    c = config_of(field, name, **{full: value})
    try:
        check_config(c)
    except ConfigError as error:
        text = str(error)
        return "" if f"config.{full}" in text and "\n" not in text else text
    except Exception as error:
        return f"checked, {error!r}"
    try:
        if not TABLES[field][name].has("needs_another_model"):
            made(c, field, name)
    except ConfigError as error:
        # Whether a network fits the images is known with the data.
        is_told = field == "model.name" and f"config.{full}" in str(error)
        return "" if is_told else f"accepted, then {error}"
    except Exception as error:
        return f"accepted, then {error!r}"
    return ""


@pytest.mark.parametrize("field, name", WITH_OPTIONS)
def test_options_have_the_types_of_their_defaults(field, name):
    hints = typing.get_type_hints(TABLES[field][name].options)
    for option, leaf in choice.leaves(TABLES[field][name].options):
        assert type(leaf.default) in WRONG, option
        if "." not in option and not leaf.item_types:
            assert type(leaf.default) is hints[option]
        if leaf.item_types:
            assert type(leaf.default) is tuple and (leaf.default or leaf.example)
            assert all(type(item) in leaf.item_types for item in leaf.default)


ASKING = {"has", "names", "listed"}


def asked(functions):
    """Every text that the package gives to functions of these names."""
    for path in (ROOT / "ddpm_jax").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", None))
                if name in functions:
                    yield from (
                        a.value for a in node.args if isinstance(a, ast.Constant)
                    )


def test_a_trait_is_known_and_somebody_asks_for_it():
    used = {trait for f, n in CHOICES for trait in TABLES[f][n].traits}
    assert used == TRAITS.keys()
    # What follows the name of a data set is asked one by one.
    assert used <= set(asked(ASKING)) | ARGUMENTS.keys()


def test_a_trait_that_is_asked_for_is_somebodys():
    used = {trait for f, n in CHOICES for trait in TABLES[f][n].traits}
    # Of what a learned schedule is between its ends, and of dequantisations.
    others = {"learns", "needs_bins", "needs_real_numbers"}
    assert set(asked({"has"})) - others <= used
