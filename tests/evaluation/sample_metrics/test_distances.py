"""The distances as they are reported: of which moments, and of which features."""

import numpy as np
import pytest
import scipy.linalg

from ddpm_jax.evaluation.sample_metrics import distances
from ddpm_jax.metrics import kernel
from tests.evaluation.sample_metrics import known

REAL, DRAWN = known.features(0, 400), known.features(1, 300, offset=0.3)


def test_frechets_is_of_the_moments_of_all():
    # The moments are of all images, however few are kept.
    real = known.reference(REAL, num_kept=10)
    a, b = (values.astype(np.float64) for values in (REAL, DRAWN))
    root = scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    traces = np.trace(np.cov(a.T) + np.cov(b.T) - 2.0 * root)
    expected = np.sum((a.mean(0) - b.mean(0)) ** 2) + traces
    found = distances.fid(real, known.seen(DRAWN))
    assert found.keys() == {"fid"}
    np.testing.assert_allclose(found["fid"], expected, rtol=1e-6)


def cubic(a, b):
    return (a.astype(np.float64) @ b.T.astype(np.float64) / a.shape[1] + 1.0) ** 3


def test_the_kernels_is_of_all_pairs_that_are_kept():
    kept = REAL[:250]
    within = [k.sum() - np.trace(k) for k in (cubic(kept, kept), cubic(DRAWN, DRAWN))]
    expected = within[0] / (250 * 249) + within[1] / (300 * 299)
    expected -= 2.0 * cubic(kept, DRAWN).mean()
    found = distances.kid(known.reference(REAL, 250), known.seen(DRAWN))
    assert found.keys() == {"kid"}
    np.testing.assert_allclose(found["kid"], expected, rtol=1e-6)


@pytest.mark.parametrize("num", [(120, 90), (90, 120)])
def test_of_many_it_is_a_mean_over_subsets(num, monkeypatch):
    """No larger than a small data set, and near the distance of all pairs."""
    monkeypatch.setattr(distances, "MOST_PAIRED", 100)
    sizes, over_subsets = [], kernel.mean_over_subsets

    def counted(*args, subset_size):
        sizes.append(subset_size)
        return over_subsets(*args, subset_size=subset_size)

    monkeypatch.setattr(distances.kernel, "mean_over_subsets", counted)
    real, drawn = known.features(2, num[0]), known.features(3, num[1], offset=1.0)
    found = distances.kid(known.reference(real), known.seen(drawn))["kid"]
    assert sizes == [90]
    np.testing.assert_allclose(found, kernel.distance(real, drawn), rtol=0.05)
    # The same every time.
    assert distances.kid(known.reference(real), known.seen(drawn))["kid"] == found
