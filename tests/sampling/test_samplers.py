"""Which sampler, grid and threshold the config means, and how often it asks."""

import functools

import numpy as np
import pytest

from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.samplers import time_grids
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
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


# By hand, of options that are no defaults, on eleven latents and without end.
GRIDS = {
    "uniform": ({}, time_grids.uniform),
    "quadratic": ({}, time_grids.quadratic),
    "log_snr": ({}, time_grids.by_log_snr),
    "karras": ({"karras__rho": 3.0}, functools.partial(time_grids.karras, rho=3.0)),
    "explicit": (
        {"explicit__times": (9, 4, 0)},
        functools.partial(time_grids.explicit, times=(9, 4, 0)),
    ),
}


@pytest.mark.parametrize("spacing", TIME_GRIDS)
def test_times_are_those_of_the_spacing_with_its_options(spacing):
    options, by_hand = GRIDS[spacing]
    changes = {f"sample__{name}": value for name, value in options.items()}
    log_snr = schedules.cosine(-9.0, 9.0).log_snr
    c = tiny.config(sample__spacing=spacing, sample__num_steps=5, **changes)
    found = samplers.times_of(c, log_snr)
    np.testing.assert_array_equal(found, by_hand(log_snr, 10, 5))
    assert samplers.num_times(c) == len(found) == (3 if spacing == "explicit" else 5)


def test_continuous_times_of_each_spacing_are_others():
    log_snr = schedules.cosine(-9.0, 9.0).log_snr
    found = {}
    for spacing in set(TIME_GRIDS) - {"explicit"}:
        c = tiny.config(
            sample__spacing=spacing,
            sample__num_steps=6,
            sample__karras__rho=3.0,
            schedule__num_steps=0,
        )
        found[spacing] = tuple(np.asarray(samplers.times_of(c, log_snr)).tolist())
    assert len(set(found.values())) == len(found)


def test_the_share_of_times_is_rounded_and_one_at_least():
    def visited(strength):
        return samplers.num_visited(
            tiny.config(
                sample__task="image_to_image",
                sample__image_to_image__strength=strength,
                sample__num_steps=10,
            )
        )

    assert [visited(s) for s in (0.01, 0.14, 0.16, 0.96, 1.0)] == [1, 1, 2, 10, 10]
