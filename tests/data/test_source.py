"""What every source promises, of those that are here without a download."""

import numpy as np
import pytest

from ddpm_jax.data import builtin, pipeline, table
from ddpm_jax.data.source import Described, Source, class_names, pixel_dtype

SOURCES = {
    "digits": lambda: builtin.digits("test"),
    "photos": lambda: builtin.photos("train", patch_size=16, stride=8),
    "points": lambda: table.make("points:rings", "test"),
    "a part of points": lambda: pipeline.first(table.make("points:moons", "test"), 7),
    "a part": lambda: pipeline.evenly_spaced(builtin.digits("train"), 7),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_keeps_its_promise(name):
    source = SOURCES[name]()
    assert isinstance(source, Source) and isinstance(source, Described)
    for index in (0, len(source) - 1):
        example = source[index]
        assert example["image"].shape == source.shape
        assert example["image"].dtype == pixel_dtype(source.num_values)
        is_continuous = source.num_values == 0
        assert is_continuous or int(example["image"].max()) < source.num_values
        assert 0 <= example["label"] < max(source.num_classes, 1)
        again = source[index]
        np.testing.assert_array_equal(example["image"], again["image"])
    names = class_names(source)
    assert len(names) == len(set(names)) == source.num_classes
    told = {"name", "version", "split", "resizing", "num_examples"}
    assert told <= source.identity.keys()
    assert source.identity["num_examples"] == len(source)


def test_classes_are_called_by_their_names_or_numbers():
    photos = builtin.photos("train", patch_size=16, stride=8)
    assert class_names(photos) == ("china", "flower")
    assert class_names(pipeline.first(photos, 5)) == ("china", "flower")
    assert class_names(builtin.digits("test")) == tuple("0123456789")


def test_pixel_values_are_uint8_and_real_numbers_float32():
    assert pixel_dtype(256) is pixel_dtype(2) is np.uint8
    assert pixel_dtype(0) is np.float32
