"""What is remembered of an image, recomputed from an estimate that is known."""

import itertools
import math

import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood.elbo import Terms
from ddpm_jax.diffusion.likelihood.estimate import Estimate, Profile
from ddpm_jax.evaluation.results import rows as rows_lib

DRAWS, BATCH = 50, 6
KEPT = np.array([True, True, False, True, True, False])
ENDS = np.array([4.0, -4.0])  # As log SNR falls, from t = 0 to t = 1.


@pytest.fixture(scope="module")
def estimate():
    rng = np.random.default_rng(0)

    def terms():
        return Terms(*rng.uniform(1.0, 9.0, (3, BATCH)).astype(np.float32))

    def of_draws():
        return rng.uniform(0.5, 2.0, (DRAWS, BATCH)).astype(np.float32)

    log_snr = rng.uniform(-4.0, 4.0, (DRAWS, BATCH)).astype(np.float32)
    return Estimate(
        terms=terms(),
        draw_variance=terms(),
        total_variance=rng.uniform(1.0, 9.0, BATCH).astype(np.float32),
        halves=rng.uniform(1.0, 9.0, (2, BATCH)).astype(np.float32),
        num_evaluations=np.arange(BATCH, dtype=np.float32),
        converged=np.arange(BATCH) != 3,
        profile=Profile(of_draws(), log_snr, of_draws(), of_draws()),
    )


def of_batch(estimate):
    return rows_lib.of_batch(estimate, ENDS, np.arange(20, 20 + BATCH), KEPT)


def test_every_field_is_the_estimates_without_what_fills_a_batch(estimate):
    found = of_batch(estimate)
    expected = {
        "index": np.arange(20, 20 + BATCH),
        "evaluations": estimate.num_evaluations,
        "converged": estimate.converged,
        "halves": estimate.halves.T,
        "variance.total": estimate.total_variance,
        "nats.total": np.sum(np.asarray(estimate.terms, np.float64), axis=0),
    }
    for name in Terms._fields:
        expected[f"nats.{name}"] = getattr(estimate.terms, name)
        expected[f"variance.{name}"] = getattr(estimate.draw_variance, name)
    assert found.keys() == expected.keys() | {"profile", "ends"}
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values[KEPT], err_msg=name)
    assert found["ends"].tolist() == [[-4.0, 4.0]]


def test_an_estimate_without_a_profile_has_no_curve(estimate):
    found = of_batch(estimate._replace(profile=None))
    assert not {"profile", "ends"} & found.keys()
    assert rows_lib.loss_by_log_snr(found, 48) is None


def test_the_curve_is_that_of_all_draws_by_numpy(estimate):
    other = estimate._replace(
        profile=estimate.profile._replace(
            per_log_snr=2.0 * estimate.profile.per_log_snr
        )
    )
    rows = rows_lib.joined([of_batch(estimate), of_batch(other)])
    centre, mean, stderr, std = rows_lib.loss_by_log_snr(rows, 48)
    log_snr = np.tile(estimate.profile.log_snr[:, KEPT].ravel(), 2)
    loss = np.concatenate(
        [e.profile.per_log_snr[:, KEPT].ravel() for e in (estimate, other)]
    ).astype(np.float64)
    unit, edges = 48 * math.log(2.0), np.linspace(-4.0, 4.0, rows_lib.NUM_BINS + 1)
    found = 0
    for low, high in itertools.pairwise(edges):
        own = loss[(log_snr > low) & (log_snr <= high)] / unit
        place = np.flatnonzero(np.isclose(centre, 0.5 * (low + high)))
        assert place.size == (own.size > 1)
        if place.size:
            found += 1
            deviation = np.std(own, ddof=1)
            np.testing.assert_allclose(mean[place], own.mean(), rtol=1e-6)
            np.testing.assert_allclose(std[place], deviation, rtol=1e-6)
            error = deviation / math.sqrt(own.size)
            np.testing.assert_allclose(stderr[place], error, rtol=1e-6)
    assert found == len(centre) > 20


def test_batches_are_joined_in_order():
    batches = [{"a": np.arange(2)}, {"a": np.arange(3)}]
    assert rows_lib.joined(batches)["a"].tolist() == [0, 1, 0, 1, 2]
    assert rows_lib.joined([]) == {}
