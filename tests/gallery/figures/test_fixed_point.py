"""The fixed point: not q, in closed form, with the differences that are known."""

import numpy as np
import pytest

from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed("fixed_point", num=481, num_iterations=700)


def test_differences_of_the_smooth_density_are_those_known(made):
    at = made[1]["at_alphas"]
    to_q = [round(one["to_q"], 3) for one in at]
    assert to_q == [0.019, 0.030, 0.036, 0.038]
    to_limit = [one["to_limit"] for one in at]
    np.testing.assert_allclose(to_limit, [0.0067, 0.0010, 0.00014, 0.000013], rtol=0.06)


def test_iteration_ends_in_the_fixed_point_and_not_in_q(made):
    _, numbers = made
    to_q, to_law = numbers["js_to_q"], numbers["js_to_fixed_point"]
    assert to_law[-1] < 1e-7 and to_q[-1] == pytest.approx(0.0186, abs=2e-4)
    # JS is quadratic in an error, which falls like lambda_2^n.
    rate = (to_law[500] / to_law[400]) ** 0.01
    assert rate == pytest.approx(numbers["lambda_2"] ** 2, rel=1e-4)
    np.testing.assert_allclose(
        numbers["iterates"]["700"], numbers["fixed_point"], atol=1e-3
    )


def test_narrow_peaks_have_a_smaller_difference(made):
    narrow = made[1]["narrow_at_alphas"]
    assert narrow[0] < 0.005 < 0.018 < made[1]["at_alphas"][0]["to_q"]


def test_a_sequence_is_one_step_of_its_product(made):
    _, numbers = made
    assert numbers["product"] == pytest.approx(0.995**10, rel=1e-5)
    np.testing.assert_allclose(numbers["passes"], numbers["passes_at_once"], rtol=1e-4)


def test_words_and_panels(made):
    caption, panels = known.said_and_drawn(*made)
    assert "0.019, 0.030, 0.036, 0.038 bits" in caption.sentence
    assert len(panels) == 6
