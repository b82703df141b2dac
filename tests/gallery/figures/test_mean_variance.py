"""The best reverse variance: beta of N(0, 1), beta-tilde of a point, between of the rest."""

import json

import numpy as np
import pytest

from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed("mean_variance", steps=(100, 10), num_times=6)


def test_the_two_extremes_are_exact(made):
    for part in made[1]["chains"]:
        np.testing.assert_allclose(part["fraction"]["N(0, 1)"], 1.0, atol=1e-4)
        np.testing.assert_allclose(part["fraction"]["one point"], 0.0, atol=1e-4)


def test_other_densities_lie_between(made):
    for part in made[1]["chains"]:
        smooth = np.array(part["fraction"]["two smooth peaks"])
        assert np.all(smooth > 0.5) and np.all(smooth < 1.0)


def test_beta_and_beta_tilde_are_the_schedules(made):
    part = made[1]["chains"][1]
    forward, posterior = np.array(part["forward"]), np.array(part["posterior"])
    assert np.all(posterior < forward) and np.all(forward < 1.0)
    assert part["step"][-1] == 9


def test_axes_hold_what_lies_above_beta_and_the_density_has_its_name(made):
    figure, numbers = made
    wide = json.loads(json.dumps(numbers))
    wide["chains"][0]["fraction"][wide["given"]][-1] = 5.0
    assert wide["given"] == "q(x), given"
    assert figure.draw(wide).axes[0].get_ylim()[1] > 5.0
    assert figure.draw(numbers).axes[0].get_ylim() == (-0.1, 1.16)


def test_words_and_panels(made):
    _, panels = known.said_and_drawn(*made)
    assert len(panels) == 3
