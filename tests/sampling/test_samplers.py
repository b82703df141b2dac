"""Which sampler, grid and threshold the config means, and how often it asks."""

import pytest

from ddpm_jax.sampling import samplers
from tests import tiny

LISTED = {"sample__spacing": "explicit"}


@pytest.mark.parametrize(
    ("changes", "expected", "name"),
    [
        ({}, 4, "ancestral_4"),
        ({"sample__sampler": "unipc"}, 4, "unipc_4"),
        ({"sample__sampler": "heun"}, 7, "heun_4"),
        (
            {
                "sample__sampler": "predictor_corrector",
                "sample__predictor_corrector__num_corrections": 2,
            },
            10,
            "predictor_corrector_4",
        ),
        ({**LISTED, "sample__explicit__times": (9, 4, 0)}, 3, "ancestral_3"),
    ],
)
def test_evaluations_are_counted_and_samplers_named(changes, expected, name):
    c = tiny.config(**changes)
    assert samplers.num_evaluations(c) == expected
    assert samplers.name(c) == name
