"""Trajectories: paths of the samplers with the exact denoiser."""

import numpy as np
import pytest

from ddpm_jax.gallery.figures import trajectories
from ddpm_jax.lab.densities import Grid
from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trajectories, "PLANE", Grid(-2.4, 2.4, 41))
        return known.computed(
            "trajectories",
            num_steps=24,
            num_strided=5,
            num_samples=400,
            num_points=30,
        )


def test_samplers_begin_with_the_same_noise_and_end_in_the_density(made):
    _, numbers = made
    own = numbers["samplers"]
    begins = [np.array(one["paths"])[:, 0] for one in own.values()]
    np.testing.assert_array_equal(begins[0], begins[1])
    np.testing.assert_array_equal(begins[1], begins[2])
    assert own["DDIM"]["wasserstein"] < 0.15 < 0.5
    assert own["DDIM"]["wasserstein"] < own["DDIM, strided"]["wasserstein"]
    assert own["ancestral"]["wasserstein"] < 0.2


def test_paths_of_ddim_do_not_cross(made):
    paths = np.array(made[1]["samplers"]["DDIM"]["paths"])
    order = np.argsort(paths[:, 0])
    assert np.all(np.diff(paths[order], axis=0) > 0.0)


def test_points_of_the_plane_end_on_its_rings(made):
    plane = made[1]["plane"]
    radius = np.linalg.norm(np.array(plane["points"])[-1], axis=1)
    on_rings = np.minimum(np.abs(radius - 1.5), np.abs(radius - 0.55)) < 0.35
    assert np.mean(on_rings) > 0.9
    assert plane["t"][0] == 1.0 and plane["t"][-1] == 0.0


def test_words_and_panels(made):
    _, panels = known.said_and_drawn(*made)
    assert len(panels) == 6 + 5
