"""Melting: distances fall by a constant factor, and heat maps end in N(0, 1)."""

import itertools

import numpy as np
import pytest

from ddpm_jax.gallery.figures import melting
from ddpm_jax.lab import exact
from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed("melting", alphas=(0.6, 0.9), num_steps=30, num_times=7)


def test_distances_fall_by_the_square_of_the_first_coefficients_factor(made):
    _, numbers = made
    for chain in numbers["chains"]:
        js = np.array(chain["js"])
        assert np.all(np.diff(js) < 0.0)
    # chi^2 = sum of squared coefficients: the first one's shrinks by alpha a step.
    js = np.array(numbers["chains"][0]["js"])
    np.testing.assert_allclose(js[20:25] / js[19:24], 0.6, rtol=2e-3)


def test_maps_begin_with_the_density_and_end_in_the_normal_one(made):
    _, numbers = made
    assert set(numbers["schedules"]) == {"linear beta", "cosine", "learned (its limit)"}
    z = np.array(numbers["z"])
    for own in numbers["schedules"].values():
        table = np.array(own["map"])
        assert table.shape == (len(z), 7)
        assert own["js"][-1] < 2e-4 < own["js"][0]
        mass = table.sum(axis=0) * (z[1] - z[0])
        np.testing.assert_allclose(mass, 1.0, atol=1e-3)


def _loss(density, high, low):
    """The integral of SNR mmse / 2 over log SNR, by Simpson's rule."""
    ends = (high, 0.5 * (high + low), low)
    values = [0.5 * np.exp(x) * exact.mmse(density, x) for x in ends]
    return (high - low) * (values[0] + 4.0 * values[1] + values[2]) / 6.0


def test_the_learned_schedules_limit_has_the_same_loss_at_every_time():
    density = known.setting(481).density
    log_snr = np.asarray(melting.learned(density).log_snr(np.linspace(0.0, 1.0, 9)))
    shares = [_loss(density, *ends) for ends in itertools.pairwise(log_snr.tolist())]
    np.testing.assert_allclose(shares, np.mean(shares), rtol=0.02)


def test_the_schedule_and_its_inverse_agree():
    schedule = melting.learned(known.setting().density)
    t = np.array([0.1, 0.5, 0.9], np.float32)
    np.testing.assert_allclose(schedule.inverse(schedule.log_snr(t)), t, atol=1e-4)


def test_words_and_panels(made):
    caption, panels = known.said_and_drawn(*made)
    assert "alpha = 0.6 and 0.9" in caption.sentence
    assert len(panels) == 6
    assert [len(axes.get_images()) for axes in panels[3:]] == [1, 1, 1]
