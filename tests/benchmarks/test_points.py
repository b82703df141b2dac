"""The benchmark of points: its distances from the truth, and its tables."""

import math

import numpy as np
import pytest
from scipy.special import erf

from benchmarks import points
from ddpm_jax.data import table


def test_on_a_line_the_distance_is_to_the_distribution_itself():
    """Of a point at 0 it is E|X|: X = m + s eps folded, the same for both peaks."""
    density = table.make("points:two_peaks", "train")
    mean, std = 2.0, math.sqrt(0.5)
    ratio = mean / std
    expected = std * math.sqrt(2.0 / math.pi) * math.exp(-0.5 * ratio**2)
    expected += mean * erf(ratio / math.sqrt(2.0))
    found = points.to_truth(density, 1)(np.zeros((1, 1)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Of true points it falls as they grow.
    few, many = (points.to_truth(density, 1)(density.draw(n, 5)) for n in (100, 10_000))
    assert 0.0 < many < 0.05 < few


def test_in_the_plane_it_is_sliced_and_to_very_many_points(monkeypatch):
    monkeypatch.setattr(points, "NUM_TRUE", 3_000)
    density = table.make("points:checkerboard", "train")
    distance = points.to_truth(density, 2)
    assert distance(density.draw(3_000, points.SEED)) == 0.0
    shifted = distance(density.draw(3_000, points.SEED) + np.array([3.0, 4.0]))
    np.testing.assert_allclose(shifted, 5.0 * 2.0 / math.pi, rtol=1e-3)


def test_points_are_rows_in_the_order_of_the_split():
    source = table.make("points:checkerboard", "test")
    np.testing.assert_array_equal(points.all_points(source), source.points)


@pytest.mark.parametrize(("num", "over"), [(800, "0.50"), (640_000, "-")])
def test_a_line_has_ratios_to_training_and_to_true_points(num, over):
    excess = {"nats": 0.02, "stderr": None, "stderr_points": 0.003}
    report = {
        "training_seconds": 41.7,
        "entropy_of_the_truth": 1.7589,
        "likelihood": {
            "ode": {
                "nats_per_point": {"nats": 1.78},
                "excess_over_the_truth": excess,
            }
        },
        **({"w1_of_training_points": 0.2} if num == 800 else {}),
        "num_training_points": num,
        "w1_of_true_points": {"mean": 0.04, "stderr": 0.001},
        "samplers": {
            "ddim, 100 steps": {
                "w1": {"mean": 0.1, "stderr": 0.002},
                "num_network_evaluations": 100.0,
                "seconds": 1.25,
            }
        },
    }
    lines = points.markdown({"two_peaks": report}, "the command").splitlines()
    assert "    the command" in lines and "## two_peaks" in lines
    assert (
        "| two_peaks | 42 s | 1.7589 | ode | 1.7800 | +0.0200 | - and 0.0030 |" in lines
    )
    expected = f"| ddim, 100 steps | 0.1000 | 0.0020 | {over} | 2.50 | 100 | 1.2 |"
    assert expected in lines
