"""Monotone functions: their ends, slopes and values, whatever the parameters are."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BPoly

from ddpm_jax.nets import monotone
from tests import later
from tests.nets import tools

INTERIORS = {
    "line": monotone.Line(),
    "network": monotone.PositiveNetwork(num_features=64),
    "polynomial": monotone.Polynomial(degree=7),
}
LEARNING = ["network", "polynomial"]
T = jnp.linspace(0.0, 1.0, 257)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=INTERIORS)
def interior(request):
    return INTERIORS[request.param]


def variables_of(module, seed=0, scale=1.0):
    """Normal draws in place of every parameter."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(())))
    rng = np.random.default_rng(seed)
    return jax.tree.map(
        lambda a: jnp.asarray(scale * rng.standard_normal(a.shape), jnp.float32), shapes
    )


def made(interior, **options):
    settings = dict(
        first=5.0, last=-3.0, first_bounds=(2.0, 8.0), last_bounds=(-6.0, 1.0)
    )
    return monotone.Monotone(interior=interior, **(settings | options))


def value(module, variables, t):
    return np.asarray(tools.apply(module, variables, t))


def number_of_parameters(module):
    return sum(leaf.size for leaf in jax.tree.leaves(variables_of(module)))


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("seed", later.all_but(range(3), (1, 2)))
def test_interiors_increase_from_exactly_0_to_exactly_1(interior, seed, scale):
    variables = variables_of(interior, seed, scale)
    compiled = jax.jit(lambda t: interior.apply(variables, t))
    for run in (compiled, lambda t: interior.apply(variables, t)):
        risen = np.asarray(run(T))
        assert risen[0] == 0.0 and risen[-1] == 1.0
        assert np.all(np.diff(risen) > 0.0)
        # Sums of another length may be added up in another order.
        assert run(jnp.zeros(())) == 0.0 and run(jnp.ones(())) == 1.0


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("seed", later.all_but(range(3), (1, 2)))
def test_both_ends_are_exactly_what_their_parameters_say(interior, seed, scale):
    module = made(interior)
    variables = variables_of(module, seed, scale)
    ends = monotone.Ends(5.0, -3.0, (2.0, 8.0), (-6.0, 1.0))
    first, last = tools.apply(ends, {"params": variables["params"]["ends"]})
    values = value(module, variables, T)
    assert (values[0], values[-1]) == (first, last)
    assert value(module, variables, jnp.zeros(())) == first
    assert value(module, variables, jnp.ones(())) == last
    assert first > last and np.all(np.diff(values) < 0.0)


@pytest.mark.parametrize("name", LEARNING)
def test_another_interior_moves_no_end(name):
    module = made(INTERIORS[name])
    params = variables_of(module, 0)["params"]
    interior = variables_of(module, 1, scale=10.0)["params"]["interior"]
    values = value(module, {"params": params}, T)
    others = value(module, {"params": params | {"interior": interior}}, T)
    np.testing.assert_array_equal(values[[0, -1]], others[[0, -1]])
    assert np.abs(values - others).max() > 0.1


@pytest.mark.parametrize("name", LEARNING)
def test_gradients_with_respect_to_the_interior_vanish_at_the_ends(name):
    module = made(INTERIORS[name])
    variables = variables_of(module)
    grad = jax.jit(jax.grad(lambda v, t: module.apply(v, t)))

    def largest(t):
        found = grad(variables, jnp.asarray(t))["params"]["interior"]
        return max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found))

    # Not exactly: compiled, two equal terms may be rounded differently before they cancel.
    assert largest(0.5) > 1e-3
    assert largest(0.0) < 1e-6 * largest(0.5)
    assert largest(1.0) < 1e-6 * largest(0.5)


def test_ends_stay_between_their_bounds_and_do_not_cross():
    ends = monotone.Ends(0.5, -0.5, (0.0, 8.0), (-6.0, 0.0))
    run = jax.jit(
        lambda first, last: ends.apply({"params": dict(first=first, last=last)})
    )
    for a in np.linspace(-8.0, 8.0, 17, dtype=np.float32):
        first, last = run(a, -a)
        assert 0.0 < first < 8.0 and -6.0 < last < 0.0 and last < first
        np.testing.assert_allclose(first, 8.0 * sigmoid(a), rtol=1e-5)
        np.testing.assert_allclose(last, -6.0 + 6.0 * sigmoid(-a), atol=2e-6)


@pytest.mark.parametrize(
    "first, last", [(5.0, -3.0), (2.001, 0.999), (7.999, -5.999), (13.3 / 2, 0.0)]
)
def test_ends_start_where_they_are_asked_to(interior, first, last):
    module = made(interior, first=first, last=last)
    values = value(module, tools.init(module, T), T)
    np.testing.assert_allclose(values[[0, -1]], [first, last], atol=2e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"first": 8.0}, "starts at 8.0, .* bounds 2.0 and 8.0"),
        ({"first": 1.0}, "starts at 1.0, .* bounds 2.0 and 8.0"),
        ({"last": -6.0}, "starts at -6.0, .* bounds -6.0 and 1.0"),
        ({"last": 1.5}, "starts at 1.5, .* bounds -6.0 and 1.0"),
        ({"last_bounds": (1.0, -6.0)}, "starts at -3.0, .* bounds 1.0 and -6.0"),
        ({"first": math.nan}, "starts at nan, .* bounds 2.0 and 8.0"),
    ],
)
def test_a_start_outside_its_bounds_is_refused(options, message):
    module = made(monotone.Line(), **options)
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(())))


@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0])
def test_forward_derivatives_are_negative_and_those_of_differences(
    float64, interior, scale
):
    module = made(interior)
    variables = variables_of(module, 3, scale)
    t, h = jnp.linspace(0.01, 0.99, 99), 1e-5

    def run(t):
        return module.apply(variables, t)

    _, slope = jax.jit(lambda t: jax.jvp(run, (t,), (jnp.ones_like(t),)))(t)
    assert slope.dtype == jnp.float64
    assert np.all(slope < 0.0)
    # Differences are off by h^2 slope''' / 6 and by eps / h, some 1e-11 of the range.
    differences = (run(t + h) - run(t - h)) / (2.0 * h)
    np.testing.assert_allclose(slope, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("degree", [1, 2, 7, 12])
def test_polynomial_is_a_sum_in_bernsteins_basis(float64, degree):
    module = monotone.Polynomial(degree)
    variables = variables_of(module, degree)
    logits = np.asarray(variables["params"]["steps"], np.float64)
    assert logits.shape == (degree,)
    share = np.exp(logits) / np.exp(logits).sum()
    steps = 0.99 * share + 0.01 / degree
    coefficients = np.concatenate([[0.0], np.cumsum(steps)])

    t = np.linspace(0.0, 1.0, 33)
    got = value(module, variables, jnp.asarray(t))
    # The steps are of float32.
    np.testing.assert_allclose(
        got, BPoly(coefficients[:, None], [0.0, 1.0])(t), atol=1e-6
    )
    total = sum(
        coefficients[i] * math.comb(degree, i) * t**i * (1.0 - t) ** (degree - i)
        for i in range(degree + 1)
    )
    np.testing.assert_allclose(got, total, atol=1e-6)


def test_polynomial_starts_as_the_identity_and_never_turns_flat():
    module = monotone.Polynomial()
    np.testing.assert_allclose(value(module, tools.init(module, T), T), T, atol=1e-6)
    # All of the rise in the first step: the rest keep a hundredth of the even slope.
    steep = {"params": {"steps": jnp.zeros(12).at[0].set(50.0)}}
    slope = np.diff(value(module, steep, T)) * 256
    np.testing.assert_allclose(slope[-1], 0.01, rtol=0.01)


def test_positive_network_matches_numpy(float64):
    module = monotone.PositiveNetwork(num_features=33)
    variables = variables_of(module, 5, 3.0)
    slope, bias, height = (
        np.asarray(variables["params"][name], np.float64)
        for name in ("kernel_0", "bias_0", "kernel_1")
    )

    def raw(t):
        """With the identity, not yet from 0 to 1."""
        total = t
        for a, b, c in zip(softplus(slope), bias, softplus(height), strict=True):
            total = total + c * sigmoid(a * t + b) / 33
        return total

    t = np.linspace(0.0, 1.0, 17)
    want = (raw(t) - raw(0.0)) / (raw(1.0) - raw(0.0))
    # Softplus is of float32.
    np.testing.assert_allclose(
        value(module, variables, jnp.asarray(t)), want, atol=1e-6
    )


def test_positive_network_starts_next_to_the_identity():
    module = monotone.PositiveNetwork()
    variables = tools.init(module, T)
    np.testing.assert_allclose(value(module, variables, T), T, atol=0.02)
    centres = -variables["params"]["bias_0"] / 12.0
    np.testing.assert_allclose(centres[jnp.array([0, -1])], [-0.25, 1.25], rtol=1e-4)


@pytest.mark.parametrize(
    "interior, count",
    [
        (monotone.Line(), 0),
        (monotone.PositiveNetwork(), 3 * 1024),
        (monotone.PositiveNetwork(5), 15),
        (monotone.Polynomial(), 12),
        (monotone.Polynomial(3), 3),
    ],
)
def test_parameters_are_the_interiors_and_two_ends(interior, count):
    assert number_of_parameters(interior) == count
    assert number_of_parameters(made(interior)) == count + 2
    fixed = variables_of(made(interior, learn_ends=False))
    assert "ends" not in fixed.get("params", {})
    assert number_of_parameters(made(interior, learn_ends=False)) == count


@pytest.mark.parametrize("seed", later.all_but(range(3), (1, 2)))
def test_ends_that_do_not_learn_are_the_constants(interior, seed):
    # Bounds are of what is learned.
    module = made(interior, first=13.3, last=-9.1, learn_ends=False)
    values = value(module, variables_of(module, seed), T)
    np.testing.assert_array_equal(values[[0, -1]], np.float32([13.3, -9.1]))
    assert np.all(np.diff(values) < 0.0)


def test_any_shape_of_time_works(interior):
    module = made(interior)
    variables = variables_of(module)
    t = jnp.linspace(0.05, 0.95, 6)
    flat = value(module, variables, t)
    assert flat.shape == (6,)
    one_by_one = [value(module, variables, x) for x in t]
    assert {one.shape for one in one_by_one} == {()}
    np.testing.assert_allclose(flat, one_by_one, atol=1e-5)
    square = value(module, variables, t.reshape(2, 3))
    np.testing.assert_allclose(square, flat.reshape(2, 3), atol=1e-5)
    assert value(module, variables, t[:5]).shape == (5,)
