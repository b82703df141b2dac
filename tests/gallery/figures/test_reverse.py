"""The reverse step: a window times the density, and its distance from a Gaussian."""

import numpy as np
import pytest

from tests.gallery import known

POINTS = (-0.9, 0.0, 0.8)


@pytest.fixture(scope="module")
def made():
    return known.computed("reverse", alphas=(0.5, 0.97), points=POINTS)


def test_a_slice_is_the_product_of_window_and_density(made):
    _, numbers = made
    x, before = np.array(numbers["x"]), np.array(numbers["before"])
    for step in numbers["steps"]:
        assert [piece["z_t"] for piece in step["slices"]] == list(POINTS)
        for piece in step["slices"]:
            product = np.array(piece["window"]) * before
            product /= product.sum() * (x[1] - x[0])
            np.testing.assert_allclose(piece["density"], product, atol=2e-4)


def test_the_smaller_step_is_nearer_to_a_gaussian(made):
    large, small = (step["mean_js"] for step in made[1]["steps"])
    assert small < 0.1 * large
    assert made[1]["steps"][0]["slices"][1]["js"] > 0.05


def test_the_mean_of_the_smaller_step_is_near_the_line_of_a_step_without_noise(made):
    _, numbers = made
    z = np.array(numbers["z"])
    inside = np.abs(z) < 0.9
    away = [
        np.abs(np.array(step["means"]) - z / np.sqrt(step["alpha"]))[inside].max()
        for step in numbers["steps"]
    ]
    assert away[1] < 0.3 * away[0]


def test_words_and_panels(made):
    _, panels = known.said_and_drawn(*made)
    assert len(panels) == 2 * (len(POINTS) + 1)
