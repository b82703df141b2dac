"""Gaussian fits: the loss falls with the step, and vanishes for a Gaussian."""

import numpy as np
import pytest

from ddpm_jax.gallery import options
from ddpm_jax.gallery.figure import Setting
from ddpm_jax.lab.densities import gaussian_mixture
from tests.gallery import known


@pytest.fixture(scope="module")
def made():
    return known.computed("gaussian_fit", alphas=(0.7, 0.95), steps=(2, 6))


def test_smaller_steps_lose_less(made):
    _, numbers = made
    one_step = [one["kl_bits"] for one in numbers["one_step"]]
    assert one_step[1] < 0.2 * one_step[0]
    losses = np.array([one["kl_bits"] for one in numbers["losses"]])
    assert np.all(np.diff(losses) < 0.0)
    chains = [one["kl_bits"] for one in numbers["chains"]]
    assert chains[1] < 0.5 * chains[0]


def test_a_gaussian_loses_nothing():
    setting = known.setting()
    normal = gaussian_mixture(setting.grid, [0.2], [0.6])
    figure = options.figure(known.config("gaussian_fit", steps=(2,)), "gaussian_fit")
    own = Setting(setting.grid, normal, 0, setting.folder)
    numbers = figure.compute(own)
    assert max(one["kl_bits"] for one in numbers["losses"]) < 1e-10


def test_words_and_panels(made):
    caption, panels = known.said_and_drawn(*made)
    assert "with 2 latents" in caption.sentence and len(panels) == 6
