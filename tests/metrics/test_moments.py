"""Moments of parts against numpy's of the whole."""

import numpy as np
import pytest

from ddpm_jax.metrics import moments


def correlated(rng, num=60, num_features=4):
    mixing = rng.normal(size=(num_features, num_features))
    return rng.normal(size=(num, num_features)) @ mixing + np.arange(num_features)


def assert_moments(got, examples, rtol=1e-12):
    assert got.num == len(examples)
    assert got.mean.dtype == got.covariance.dtype == np.float64
    np.testing.assert_allclose(got.mean, examples.mean(axis=0), rtol=rtol)
    np.testing.assert_allclose(
        got.covariance, np.cov(examples, rowvar=False), rtol=rtol, atol=rtol
    )


@pytest.mark.parametrize(
    "cuts", [[], [30], [1], [59], [1, 2, 3], [10, 17, 40]], ids=str
)
def test_of_batches_they_are_numpys_of_all(cuts, rng):
    examples = correlated(rng)
    assert_moments(moments.from_batches(iter(np.split(examples, cuts))), examples)


def test_merged_they_are_numpys_of_all(rng):
    examples = correlated(rng)
    parts = [moments.from_features(part) for part in np.split(examples, [2, 31])]
    a, b, c = parts
    assert_moments(moments.merged(moments.merged(a, b), c), examples)
    assert_moments(moments.merged(a, moments.merged(b, c)), examples)
    assert_moments(moments.merged(moments.merged(c, a), b), examples)


def test_an_offset_of_all_examples_costs_no_digits(rng):
    """Of sums of squares 16 digits would be gone: 1e8 squared is 1e16 variances."""
    # On a grid that float64 holds exactly beside the offset.
    examples = np.round(correlated(rng) * 2**20) / 2**20
    got = moments.from_batches(np.split(examples + 1e8, 6))
    np.testing.assert_allclose(
        got.covariance, np.cov(examples, rowvar=False), rtol=1e-6, atol=1e-7
    )


def test_float32_features_are_summed_in_float64(rng):
    examples = (correlated(rng) + 1000.0).astype(np.float32)
    assert_moments(
        moments.from_batches(np.split(examples, 6)), examples.astype(np.float64)
    )


def test_features_given_are_left_as_they_are(rng):
    examples = correlated(rng)
    before = examples.copy()
    moments.from_features(examples)
    np.testing.assert_array_equal(examples, before)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], "there are 0 batches, but a covariance needs 2 examples"),
        ([1], "there is 1 example, but a covariance needs 2"),
        ([0], "a batch: 0 examples, but a mean needs 1"),
    ],
)
def test_too_few_examples_are_counted(sizes, message):
    with pytest.raises(ValueError, match=message):
        moments.from_batches([np.zeros((size, 3)) for size in sizes])


def test_batches_and_parts_have_one_number_of_features(rng):
    three, four = correlated(rng, 9, 3), correlated(rng, 9, 4)
    with pytest.raises(ValueError, match="have 3 features and others 4"):
        moments.from_batches([three, four])
    with pytest.raises(ValueError, match="have 4 features and others 3"):
        moments.merged(moments.from_features(four), moments.from_features(three))
