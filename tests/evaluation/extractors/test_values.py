"""The values themselves as features: of images and of points, without classes."""

import jax
import numpy as np
import pytest

from ddpm_jax.data import table
from ddpm_jax.evaluation.extractors import values
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.runs import restore
from tests import tiny


@pytest.mark.parametrize("name", ["digits", "points:checkerboard"])
def test_features_are_the_values_in_one_row(name):
    source = table.make(name, "test")
    load = values.CHOICE.make(values.CHOICE.options(), ExtractorFiles())
    extractor = load(tiny.config(), tiny.one_device(), source, restore.OTHERS)
    images = np.stack([source[i]["image"] for i in range(6)])
    seen = extractor.extract(jax.device_put(images))
    assert seen.features.dtype == np.float32
    np.testing.assert_array_equal(seen.features, images.reshape(6, -1))
    assert seen.log_probs.shape == (6, 0)
    assert extractor.identity == {"name": "values"}
