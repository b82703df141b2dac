"""Samplers beside each other: each cell is what its sampler draws."""

import numpy as np
import pytest

from ddpm_jax.pictures import grids
from ddpm_jax.sampling import comparison, guides, sample_batches
from ddpm_jax.sampling.task import FROM_NOISE
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_a_contrast_shows_what_each_sampler_draws(plain):
    c = tiny.config(
        sample__contrast__samplers="ancestral,ddim",
        sample__contrast__num_steps=(4,),
        sample__contrast__num_images=5,
    )
    seen = {}

    def sheet(cells, columns):
        seen.update(cells)
        return np.zeros((2, 2, 3), np.uint8)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grids, "comparison", sheet)
        comparison.draw(c, plain, guides.of(c, plain), FROM_NOISE)
    for name in ("ancestral", "ddim"):
        batches = sample_batches.Batches(
            tiny.config(sample__sampler=name), plain.mesh, plain.model
        )
        images = batches.draw(plain.params, 0).pixels[:5]
        np.testing.assert_array_equal(seen[name][0], np.rint(images * (255 / 16)))
