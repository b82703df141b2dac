"""W1 as it is reported: of the features that a reference keeps, and of all samples."""

import numpy as np

from ddpm_jax.evaluation.sample_metrics import transport
from ddpm_jax.metrics import wasserstein
from tests.evaluation.sample_metrics import known

REAL, DRAWN = known.features(0, 120), known.features(1, 90)


def test_it_is_between_kept_features_and_all_samples():
    real = known.reference(REAL, num_kept=70)
    found = transport.measure(real, known.seen(DRAWN))
    assert found == {"wasserstein": wasserstein.distance(REAL[:70], DRAWN)}


def test_of_one_feature_a_shift_is_told_in_its_units():
    real = known.reference(REAL[:, :1])
    found = transport.measure(real, known.seen(REAL[:, :1] + np.float32(0.25)))
    np.testing.assert_allclose(found["wasserstein"], 0.25, rtol=1e-6)
