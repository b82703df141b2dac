"""Fidelity and variety, each under its own name."""

import numpy as np

from ddpm_jax.evaluation import reference
from ddpm_jax.evaluation.sample_metrics import neighbours
from ddpm_jax.metrics import neighbours as metrics
from tests.evaluation.sample_metrics import known

REAL = known.features(0, 120)


def test_some_of_the_images_are_precise_and_recall_the_rest_in_part():
    few = known.seen(REAL[:10])
    found = neighbours.precision_recall(known.reference(REAL), few)
    assert found.keys() == {"precision", "recall"}
    assert found["precision"] == 1.0 and found["recall"] < 0.95
    # The other way about, of which the images are the few.
    found = neighbours.precision_recall(known.reference(REAL[:10]), known.seen(REAL))
    assert found["recall"] == 1.0 and found["precision"] < 0.95


def test_samples_that_crowd_are_dense_and_cover_little():
    crowd = np.repeat(REAL[:1], 50, axis=0)
    found = neighbours.density_coverage(known.reference(REAL), known.seen(crowd))
    assert found.keys() == {"density", "coverage"}
    distances = np.linalg.norm(REAL[:, None].astype(np.float64) - REAL[None], axis=-1)
    within = distances[:, 0] <= np.sort(distances, axis=1)[:, 5] * (1 + 1e-6)
    np.testing.assert_allclose(found["density"], within.sum() / 5, rtol=1e-9)
    np.testing.assert_allclose(found["coverage"], within.mean(), rtol=1e-9)


def test_no_more_samples_are_compared_than_a_reference_keeps(monkeypatch):
    monkeypatch.setattr(reference, "MOST_KEPT", 30)
    drawn, real = known.features(1, 60), known.reference(REAL[:30])
    found = neighbours.precision_recall(real, known.seen(drawn))
    assert found == metrics.precision_recall(REAL[:30], drawn[:30])._asdict()
    found = neighbours.density_coverage(real, known.seen(drawn))
    assert found == metrics.density_coverage(REAL[:30], drawn[:30])._asdict()
