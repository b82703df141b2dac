"""The group that says how samples are judged."""

import pytest

from ddpm_jax.core import choice
from ddpm_jax.evaluation.extractors.table import EXTRACTORS
from ddpm_jax.evaluation.options import QualityOptions
from tests import tiny


def test_the_configs_group_is_these_fields():
    group = tiny.config().eval.quality
    assert dict(choice.defaults(QualityOptions)) == {
        "extractor": "inception",
        "inception": "",
        "preparation": "tensorflow",
        "classifier": "",
        "reference": "",
        "num_samples": 50_000,
        "num_repeats": 1,
        "samples": "",
    }
    assert group.to_dict() == choice.defaults(QualityOptions)
    assert QualityOptions().extractor in EXTRACTORS


@pytest.mark.parametrize("name", ["num_samples", "num_repeats"])
def test_there_is_at_least_one(name):
    with pytest.raises(ValueError, match=rf"^{name} = 0: write 1 or more\.$"):
        QualityOptions(**{name: 0})
