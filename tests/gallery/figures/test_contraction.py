"""Contraction: the cloud below its bound, and the rate of iteration that of lambda_2."""

import numpy as np
import pytest

from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed(
        "contraction", alphas=(0.2, 0.7), num_pairs=25, num_iterations=60
    )


def test_every_pair_is_nearer_by_dobrushins_coefficient(made):
    _, numbers = made
    js_in = np.array(numbers["js_in"])
    assert js_in.min() < 0.1 and js_in.max() > 0.4
    for step in numbers["steps"]:
        assert np.all(np.array(step["js_out"]) <= step["dobrushin"] * js_in)
    large, small = (np.sum(step["js_out"]) for step in numbers["steps"])
    assert large < 0.2 * small
    assert numbers["steps"][0]["dobrushin"] < 0.7


def test_the_rate_of_iteration_is_the_second_eigenvalue_within_1_percent(made):
    for step in made[1]["steps"]:
        assert step["fitted_rate"] == pytest.approx(step["lambda_2"], rel=0.01)


def test_rates_are_those_of_theory_at_both_ends(made):
    _, numbers = made
    rates, alphas = np.array(numbers["lambda_2"]), np.array(numbers["alphas"])
    assert np.all(np.diff(rates) > 0.0) and np.all(np.diff(alphas) > 0.0)
    # As alpha -> 0, E[x | z_t] = E[x] + sqrt(alpha) Var(x) z_t.
    first = np.sqrt(alphas[0]) * known.setting().density.variance
    assert rates[0] == pytest.approx(first, rel=0.05)
    assert rates[-1] > 0.999
    assert np.all(np.array(numbers["dobrushin"]) >= rates - 1e-3)


def test_words_and_panels(made):
    _, panels = known.said_and_drawn(*made)
    assert len(panels) == 5
