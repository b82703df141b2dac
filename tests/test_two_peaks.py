"""configs/two_peaks.py as it stands: its likelihoods and samples against the truth."""

import importlib

import numpy as np
import pytest

import ddpm_jax as dj
from ddpm_jax import train
from ddpm_jax.data import table
from ddpm_jax.metrics import wasserstein

pytestmark = pytest.mark.long  # Networks are trained.
TRUTH = table.make("points:two_peaks", "test")


def distance(points):
    """W1 to many true points."""
    return wasserstein.distance(TRUTH.draw(100_000, seed=9), points)


@pytest.fixture(scope="module", params=["full", "fresh"])
def trained(request, tmp_path_factory, one_device):
    """The variant's name, and its run."""
    path = tmp_path_factory.mktemp(request.param)
    config = importlib.import_module("configs.two_peaks").get_config(request.param)
    config.training.update(eval_every=0, sample_every=0)
    assert train.run(config, path) == 0
    return request.param, dj.load(path)


def test_neither_likelihood_is_above_the_truths(trained):
    """Gibbs, with errors over points; and the flow's is close."""
    _, run = trained
    points = TRUTH.points.astype(np.float64)
    truth = TRUTH.log_density(points)
    for estimator, most in (("stratified", 0.1), ("ode", 0.02)):
        rows = run.bits_per_dim(estimator).report
        excess = rows["density"]["excess_over_the_truth"]
        assert -4.0 * excess["stderr_points"] < excess["nats"]
        assert excess["nats"] < most + 4.0 * excess["stderr_points"]
        nats = rows["bits_per_dim"] * np.log(2.0)
        np.testing.assert_allclose(nats + truth.mean(), excess["nats"], atol=1e-4)


def test_samples_are_as_far_from_the_truth_as_points_are(trained):
    name, run = trained
    samples = run.sample(10_000, batch_size=5_000)[:, 0, 0]
    if name == "full":
        training = table.make("points:two_peaks", "train").points
        assert distance(samples) < 1.5 * distance(training)
    else:
        true = np.mean([distance(TRUTH.draw(10_000, seed)) for seed in range(8)])
        assert distance(samples) < 2.0 * true
