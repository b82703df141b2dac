"""The gap of the bound: half a nat of linear beta, and where it is."""

import numpy as np
import pytest

from ddpm_jax.gallery import options
from ddpm_jax.gallery.figure import Setting
from ddpm_jax.lab.densities import Grid
from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    """On the shortest grid that holds the density."""
    grid = Grid(-4.0, 4.0, 161)
    figure = options.figure(known.config("bound_gap", steps=(30, 1000)), "bound_gap")
    other = known.setting()
    return figure, figure.compute(Setting(grid, other.density, 0, other.folder))


def test_a_thousand_steps_of_linear_beta_waste_half_a_nat_at_the_start(made):
    linear = made[1]["schedules"]["linear beta"]
    assert linear["posterior"][-1] == pytest.approx(0.4565, abs=2e-3)
    assert linear["waste_of_first"] > 0.9 * linear["posterior"][-1]
    # beta_1 = beta_0 nearly: SNR falls by a factor of 1 + beta_1 / beta_0.
    assert linear["drops"][0] == pytest.approx(0.788, abs=1e-3)
    # All noise and no structure: (e^d - 1 - d) / 2.
    d = linear["drops"][0]
    assert linear["waste"][0] == pytest.approx(0.5 * (np.expm1(d) - d), rel=0.01)


def test_the_best_variance_wastes_next_to_nothing(made):
    for own in made[1]["schedules"].values():
        assert 0.0 < own["best"][-1] < 0.005
        assert own["best"][0] < 0.1 < own["posterior"][0]


def test_gaps_are_ordered_by_schedule(made):
    last = [own["posterior"][-1] for own in made[1]["schedules"].values()]
    assert last[0] > 2.0 * last[1] > 4.0 * last[2]


def test_words_and_panels(made):
    caption, panels = known.said_and_drawn(*made)
    assert "0.46 nats" in caption.sentence and "0.79" in caption.sentence
    assert len(panels) == 3
