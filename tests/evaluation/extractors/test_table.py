"""Every network of the table has its field, and says so where it is empty."""

import dataclasses

import pytest

from ddpm_jax.core.choice import made
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation.extractors.extractor import ExtractorFiles
from ddpm_jax.evaluation.extractors.table import EXTRACTORS

OF_FILES = [name for name in EXTRACTORS if name != "values"]


@pytest.mark.parametrize("name", OF_FILES)
def test_each_network_has_a_field_of_its_name_and_needs_it(name):
    choice = EXTRACTORS[name]
    assert name in {field.name for field in dataclasses.fields(ExtractorFiles)}
    message = rf"^config.eval.quality.extractor = {name!r} needs config.eval.quality."
    with pytest.raises(ConfigError, match=message + name):
        made(choice, choice.options(), "config.eval.quality", ExtractorFiles())
    files = ExtractorFiles(**{name: "somewhere"})
    assert callable(choice.make(choice.options(), files))
