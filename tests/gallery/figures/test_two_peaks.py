"""The figure of two peaks: from a run of a few steps, and its words and panels."""

import numpy as np
import pytest

from ddpm_jax.gallery import encoding, options, two_peaks_run
from ddpm_jax.gallery.figures import two_peaks
from tests.gallery import known


def numbers_of_a_perfect_model():
    x, edges = np.linspace(-5.0, 5.0, 41), np.linspace(-6.0, 6.0, 13)
    truth = sum(np.exp(-np.square(x - m)) / np.sqrt(np.pi) for m in (-2.0, 2.0)) / 2.0
    bars = np.full(12, 1.0 / 12.0)
    moment = {"step": 0, "forward": bars, "backward": bars, "truth": truth}
    return encoding.plain(
        {
            "x": x,
            "edges": edges,
            "coarse_edges": edges,
            "moments": [moment] * 4,
            "truth": truth,
            "density": truth,
            "histogram": bars,
            "mass": 1.0,
            "entropy": 1.7589,
            "likelihoods": {"stratified": (1.8, 0.03), "ode": (1.76, 0.03)},
            "wasserstein": {
                "samples": 0.11,
                "training points": 0.1,
                "fresh draws": 0.02,
            },
            "num_samples": 10_000,
            "num_steps": 3000,
        }
    )


def test_words_and_panels():
    figure = options.figure(options.default(), "two_peaks")
    caption, panels = known.said_and_drawn(figure, numbers_of_a_perfect_model())
    assert "W1 of 0.110" in caption.sentence and len(panels) == 9
    assert ("entropy of the truth", "1.7589 nats") in caption.table


def test_histograms_are_densities_that_count_what_lies_beyond():
    heights = two_peaks._histogram(
        np.array([-9.0, 0.1, 0.2, 1.5]), np.arange(-1.0, 3.0)
    )
    np.testing.assert_allclose(heights, [0.0, 0.5, 0.25])


@pytest.mark.long
def test_a_short_run_is_trained_once_and_its_numbers_hold(
    tmp_path, monkeypatch, one_device
):
    setting = known.setting(folder=tmp_path)
    c = known.config("two_peaks", num_steps=1500, num_samples=4000, num_examples=200)
    figure = options.figure(c, "two_peaks")
    first = figure.compute(setting)
    bound, ode = (first["likelihoods"][name] for name in ("stratified", "ode"))
    # By Gibbs, within the errors; and the bound lies above.
    assert ode[0] > first["entropy"] - 3.0 * ode[1] and bound[0] > ode[0] - 0.02
    assert first["mass"] == pytest.approx(1.0, abs=0.01)
    assert first["wasserstein"]["samples"] < 0.6
    monkeypatch.setattr(
        two_peaks_run, "train", lambda *_: pytest.fail("it was trained again")
    )
    second = figure.compute(setting)
    np.testing.assert_array_equal(first["histogram"], second["histogram"])
    assert (tmp_path / "runs" / "two_peaks_1500_seed0" / "config.json").exists()
