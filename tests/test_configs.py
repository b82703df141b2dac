"""Each config file: its full form can be built, and its smoke form runs."""

import importlib
import json
import math
import pathlib

import jax
import pytest

from ddpm_jax import train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import flat
from ddpm_jax.data import tfds_source
from ddpm_jax.models import build
from tests import tiny
from tests.data import conftest as data_fixtures

tfds_dir = data_fixtures.tfds_dir
tfds_leavings = data_fixtures.tfds_leavings

# Parameters of the full network: of cifar10 and the variational ones the published count, of
# the others a record of what the files say today.
PARAMETERS = {
    "cifar10": 35_746_307,
    "cifar10_cond": 35_751_939,
    "cifar10_iddpm": 52_546_438,
    "imagenet64": 121_063_942,
    "celeba64": 78_700_803,
    "digits": 1_623_458,
    "digits_hour": 1_623_458,
    "digits_cond": 1_624_866,
    "digits_classifier": 447_722,
    "photos": 1_113_955,
    "cifar10_vdm": 30_578_181,
    "imagenet32_vdm": 122_137_605,
    "imagenet64_vdm": 237_603_845,
    "digits_vdm": 1_627_395,
    "photos_vdm": 292_197,
    "two_peaks": 54_146,
    "points2d": 171_268,
}
VARIANT_PARAMETERS = {
    ("cifar10_vdm", "aug"): 122_140_677,
    ("cifar10_vdm", "aug_paper"): 139_279_877,
    ("cifar10_vdm", "small"): 5_293_061,
    ("photos_vdm", "published"): 337_157,
    ("two_peaks", "fresh"): 54_146,
}
# What stands in for the images of a data set that would have to be downloaded.
STAND_INS = {
    "cifar10": {"data.name": "tfds:tiny_images/cifar"},
    "cifar10_cond": {"data.name": "tfds:tiny_images/cifar"},
    "cifar10_iddpm": {"data.name": "tfds:tiny_images/cifar"},
    "imagenet64": {
        "data.name": "tfds:tiny_images/varied",
        "data.eval_split": "test",
        "data.image_size": 64,
    },
    "celeba64": {"data.name": "tfds:tiny_images/varied", "data.center_crop": 18},
    "digits": {},
    "digits_hour": {},
    "digits_cond": {},
    "digits_classifier": {},
    "photos": {},
    "cifar10_vdm": {"data.name": "tfds:tiny_images/cifar"},
    "imagenet32_vdm": {
        "data.name": "tfds:tiny_images/varied",
        "data.eval_split": "test",
        "data.image_size": 32,
    },
    "imagenet64_vdm": {
        "data.name": "tfds:tiny_images/varied",
        "data.eval_split": "test",
        "data.image_size": 64,
    },
    "digits_vdm": {},
    "photos_vdm": {},
    "two_peaks": {},
    "points2d": {"data.points.num_train": 64},
}


# Run in the ordinary suite.
RUN = (
    "cifar10",
    "digits_cond",
    "digits_classifier",
    "digits_vdm",
    "photos",
    "points2d",
)
# Largest networks, whose shapes take seconds to trace.
LARGE = {("imagenet64", "full"), ("imagenet32_vdm", "full"), ("imagenet64_vdm", "full")}
LARGE |= {("cifar10_vdm", variant) for variant in ("aug", "aug_paper", "small")}
LARGE |= {("celeba64", "full"), ("cifar10_cond", "full"), ("digits_hour", "full")}
LARGE |= {("cifar10_iddpm", "full")}


class FakeSource:
    """The shape of a data set's images, without the data set."""

    num_classes = 10

    def __init__(self, shape, num_values):
        self.name, self.shape, self.identity = "fake", shape, {}
        self.num_values = num_values

    def __len__(self):
        return 1

    def __getitem__(self, index, /):
        raise NotImplementedError


SHAPES = {
    "digits": ((8, 8, 1), 17),
    "digits_hour": ((8, 8, 1), 17),
    "digits_cond": ((8, 8, 1), 17),
    "digits_classifier": ((8, 8, 1), 17),
    "photos": ((16, 16, 3), 256),
    "imagenet64": ((64, 64, 3), 256),
    "celeba64": ((64, 64, 3), 256),
    "imagenet64_vdm": ((64, 64, 3), 256),
    "digits_vdm": ((8, 8, 1), 17),
    "photos_vdm": ((16, 16, 3), 256),
    "two_peaks": ((1, 1, 1), 0),
    "points2d": ((1, 1, 2), 0),
}


def test_every_config_is_tested():
    folder = pathlib.Path(__file__).parents[1] / "configs"
    there = {path.stem for path in folder.glob("*.py")} - {"__init__", "smoke"}
    assert there == PARAMETERS.keys() == STAND_INS.keys()


def config_of(name, variant):
    return importlib.import_module(f"configs.{name}").get_config(variant)


EXPECTED = {(name, "full"): number for name, number in PARAMETERS.items()}
EXPECTED |= VARIANT_PARAMETERS


@pytest.mark.parametrize("name, variant", EXPECTED)
def test_the_full_config_has_no_fault(name, variant):
    check_config(config_of(name, variant))


@pytest.mark.parametrize(
    "name, variant, expected",
    [
        pytest.param(*key, number, marks=[pytest.mark.long] if key in LARGE else [])
        for key, number in EXPECTED.items()
    ],
)
def test_the_full_config_can_be_built(name, variant, expected):
    config = config_of(name, variant)
    source = FakeSource(*SHAPES.get(name, ((32, 32, 3), 256)))
    model = build.backbone(config, source)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    assert sum(math.prod(a.shape) for a in jax.tree.leaves(shapes)) == expected


@pytest.mark.parametrize("name", PARAMETERS)
def test_smoke_shrinks_sizes_and_keeps_the_experiment(name):
    full, smoke = flat(config_of(name, "full")), flat(config_of(name, "smoke"))
    for field in (
        "prediction",
        "reverse_variance",
        "data.name",
        "schedule.name",
        "loss.weighting",
        "loss.time_sampling",
        "optimizer.name",
        "model.name",
        "model.class_conditional",
        "model.label_dropout",
        "model.unet.attention_at",
        "model.unet.scale_shift",
        "eval.estimators",
        "sample.sampler",
        "sample.guidance",
    ):
        assert smoke[field] == full[field], field
    assert smoke["training.num_steps"] == 4


# One of each kind of data and of model; the others are these in other sizes.
SMOKED = [
    pytest.param(name, marks=[] if name in RUN else [pytest.mark.long])
    for name in PARAMETERS
]


@pytest.mark.parametrize("name", SMOKED)
def test_smoke_runs(name, tmp_path, tfds_dir, tfds_leavings, monkeypatch):
    # The U-Net itself runs in test_main; here data, schedule and objective do.
    tiny.use_small_network(monkeypatch)
    monkeypatch.setattr(tfds_source, "_hide_accelerators", lambda: None)
    config = config_of(name, "smoke")
    config.data.data_dir = str(tfds_dir)
    config.update_from_flattened_dict(STAND_INS[name])
    check_config(config)
    assert train.run(config, tmp_path) == 0
    if build.is_classifier(config):
        report = json.loads((tmp_path / "eval" / "4_accuracy.json").read_text())
        assert 0.0 <= report["accuracy"] <= 1.0
        assert math.isfinite(report["cross_entropy_bits"])
        assert not (tmp_path / "samples").exists()
    else:
        report = json.loads((tmp_path / "eval" / "4.json").read_text())
        assert math.isfinite(report["bits_per_dim"])
        assert (tmp_path / "samples" / "4.png").exists()
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert all(json.loads(row).get("loss", 0.0) is not None for row in rows)


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_unknown_variant_is_refused(name):
    with pytest.raises(ValueError, match=r"'tiny': write :full(,| or) :smoke"):
        config_of(name, "tiny")
