"""The run behind the figure of two peaks."""

import importlib

import numpy as np
import pytest

from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.gallery import two_peaks_run
from ddpm_jax.runs import workdir

# What the gallery leaves out, and how long it trains.
OWN = ("training.", "eval.", "sample.num_samples", "sample.batch_size")


def test_the_config_is_that_of_the_shipped_one_but_for_its_length():
    shipped = importlib.import_module("configs.two_peaks").get_config()
    ours = flat(two_peaks_run.config(3000, 0))
    differing = {
        field for field, value in flat(shipped).items() if ours[field] != value
    }
    assert all(field.startswith(OWN) for field in differing), differing
    assert ours["training.num_steps"] == ours["training.checkpoint_every"] == 3000


def test_points_are_the_800_of_the_data():
    points = two_peaks_run.points(two_peaks_run.config(10, 0), "train")
    assert points.shape == (800,)
    # Five standard errors of the mean and of the variance 4.5, whose fourth moment is below 40.
    assert abs(points.mean()) < 5 * np.sqrt(4.5 / 800)
    assert abs(points.var() - 4.5) < 5 * np.sqrt(40 / 800)


def test_another_run_in_the_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        two_peaks_run, "train", lambda *_: pytest.fail("it was trained")
    )
    workdir.begin(tmp_path, two_peaks_run.config(10, 0), 0)
    with pytest.raises(ConfigError, match=r"config.seed \(now 1, then 0\)"):
        two_peaks_run.trained(two_peaks_run.config(10, 1), tmp_path)


def test_a_signal_during_training_ends_the_gallery(tmp_path, monkeypatch):
    monkeypatch.setattr(two_peaks_run, "train", lambda *_: 143)
    with pytest.raises(KeyboardInterrupt):
        two_peaks_run.trained(two_peaks_run.config(10, 0), tmp_path)
