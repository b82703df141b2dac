"""What every metric asks of features, and says when it does not get it."""

import numpy as np
import pytest

from ddpm_jax.metrics import features, frechet, kernel, moments, neighbours

# Each metric of two sets of features, and what it needs of each.
PAIRED = {
    "kernel": (kernel.distance, 2),
    "subsets": (
        lambda a, b: kernel.mean_over_subsets(a, b, np.random.default_rng(0), 3, 5),
        5,
    ),
    "precision_recall": (neighbours.precision_recall, 4),
    "density_coverage": (lambda a, b: neighbours.density_coverage(a, b, 3), 4),
    "frechet": (
        lambda a, b: frechet.distance(
            moments.from_features(a), moments.from_features(b)
        ),
        2,
    ),
}


@pytest.fixture(params=PAIRED)
def paired(request):
    return PAIRED[request.param]


def test_as_many_as_are_needed_are_enough(paired, rng):
    metric, needed = paired
    result = metric(rng.normal(size=(needed, 2)), rng.normal(size=(needed, 2)))
    assert np.all(np.isfinite(result))


def test_one_fewer_are_too_few_and_counted(paired, rng):
    metric, needed = paired
    enough, few = rng.normal(size=(needed, 2)), rng.normal(size=(needed - 1, 2))
    with pytest.raises(ValueError, match=rf"{needed - 1} example.* needs {needed}\."):
        metric(few, enough)


@pytest.mark.parametrize("name", ["kernel", "subsets", "precision_recall", "frechet"])
def test_too_few_samples_are_counted_too(name, rng):
    metric, needed = PAIRED[name]
    enough, few = rng.normal(size=(needed, 2)), rng.normal(size=(needed - 1, 2))
    with pytest.raises(ValueError, match=rf"{needed - 1} example.* needs {needed}\."):
        metric(enough, few)


def test_one_sample_has_a_density_and_none_has_not(rng):
    real = rng.normal(size=(6, 2))
    _, coverage = neighbours.density_coverage(real, real[:1])
    assert coverage > 0.0
    with pytest.raises(ValueError, match=r"generated: 0 examples, but .* needs 1\."):
        neighbours.density_coverage(real, real[:0])


def test_both_have_as_many_features(paired, rng):
    metric, needed = paired
    with pytest.raises(ValueError, match="have 2 features and generated ones 3"):
        metric(rng.normal(size=(needed, 2)), rng.normal(size=(needed, 3)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.usefixtures("blocks_of_seven")
def test_the_first_example_that_is_not_finite_is_named(paired, which, value, rng):
    metric, _ = paired
    both = [rng.normal(size=(20, 2)) for _ in range(2)]
    both[which][[9, 17], 1] = value
    with pytest.raises(ValueError, match="features of example 9 are not finite"):
        metric(*both)


def test_examples_have_features():
    with pytest.raises(ValueError, match="real: examples have no features"):
        kernel.distance(np.zeros((4, 0)), np.zeros((4, 0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.usefixtures("blocks_of_seven")
def test_blocks_are_the_examples_in_float64(dtype, rng):
    examples = rng.normal(size=(20, 3)).astype(dtype)
    starts, found = zip(*features.blocks(examples), strict=True)
    assert starts == (0, 7, 14)
    assert {block.dtype for block in found} == {np.dtype(np.float64)}
    np.testing.assert_array_equal(np.concatenate(found), examples)
