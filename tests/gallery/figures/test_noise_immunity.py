"""Noise immunity: the same error before, less after, and small steps as one."""

import numpy as np
import pytest

from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed("noise_immunity", alphas=(0.9, 0.98), error=0.2, width=0.15)


def test_the_error_is_as_large_as_asked_for_and_shrinks_with_the_step(made):
    first, second = made[1]["steps"]
    np.testing.assert_allclose(
        [first["js_before"], second["js_before"]], 0.2, rtol=1e-5
    )
    assert first["js_after"] < 0.5 * second["js_after"] < 0.1


def test_the_error_left_grows_with_alpha_from_nothing_to_nearly_all(made):
    left = np.array(made[1]["js_by_alpha"])
    assert np.all(np.diff(left) > 0.0)
    assert left[0] < 0.005 and 0.09 < left[-1] < 0.2


def test_small_steps_are_one_step_of_their_product(made):
    _, numbers = made
    assert numbers["product"] == pytest.approx(0.98**5, rel=1e-5)
    assert numbers["js_along_small"][-1] == pytest.approx(numbers["js_at_once"])
    assert numbers["difference"] < 1e-9
    assert np.all(np.diff(numbers["js_along_small"]) < 0.0)


def test_words_and_panels(made):
    caption, panels = known.said_and_drawn(*made)
    assert "0.2 bits" in caption.sentence and "0.904" in caption.sentence
    assert len(panels) == 6
