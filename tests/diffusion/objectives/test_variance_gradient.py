"""The gradient that makes the loss's variance least, against differences of that variance.

The data are single pixels of four values, whose best denoiser is known. Every mean is a sum
over a fine grid of times, all values and Gauss-Hermite points of noise, in float64: nothing
here is left to chance.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.objectives import variance_gradient
from ddpm_jax.diffusion.objectives.denoising import outside_time
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.nets import monotone
from tests.diffusion import closed_form

PROBABILITIES = np.array([0.1, 0.2, 0.4, 0.3])
CODEC = Categorical(4)
VALUES = np.array([-0.75, -0.25, 0.25, 0.75])
NUM_TIMES, NUM_EPS = 400, 60
INTERIORS = {
    "network": monotone.PositiveNetwork(num_features=5),
    "polynomial": monotone.Polynomial(degree=4),
}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def grid():
    """Times, pixels, noise and the weight of each point, flat."""
    t = (np.arange(NUM_TIMES) + 0.5) / NUM_TIMES
    points, weights = np.polynomial.hermite_e.hermegauss(NUM_EPS)
    shape = (NUM_TIMES, 4, NUM_EPS)
    weight = PROBABILITIES[:, None] * (weights / weights.sum()) / NUM_TIMES
    return tuple(
        jnp.asarray(np.broadcast_to(a, shape).reshape(-1))
        for a in (t[:, None, None], np.arange(4)[:, None], points, weight)
    )


def image(values):
    return values[:, None, None, None]


def schedule_of(name):
    """A module, and parameters that make it no straight line."""
    module = monotone.Monotone(
        interior=INTERIORS[name],
        first=5.0,
        last=-2.0,
        first_bounds=(2.0, 8.0),
        last_bounds=(-6.0, 0.0),
    )
    params = jax.jit(module.init)(jax.random.key(0), np.zeros(()))["params"]
    rng = np.random.default_rng(1)
    moved = jax.tree.map(
        lambda a: jnp.asarray(np.asarray(a, float) + rng.normal(size=a.shape)),
        params["interior"],
    )
    ends = jax.tree.map(lambda a: jnp.asarray(np.asarray(a, float)), params["ends"])
    return module, {"ends": ends, "interior": moved}


def log_snr_of(module, schedule):
    return lambda t: module.apply({"params": schedule}, t)


def model_at(scale, log_snr):
    """A denoiser that is not quite the best one: `scale` is its one parameter."""
    best = closed_form.discrete_data(log_snr, PROBABILITIES, values=VALUES)

    def denoise(z_t, t):
        prediction = best.denoise(z_t, t)
        alpha, sigma = (
            jnp.sqrt(jax.nn.sigmoid(sign * log_snr(t)))[:, None, None, None]
            for sign in (1.0, -1.0)
        )
        x = scale * prediction.x
        return prediction._replace(x=x, eps=(z_t - alpha * x) / sigma)

    return type(best)(log_snr, denoise)


def timed_at(params, at, rest):
    """Loss of each point, as a function of its coordinates on the schedule."""
    t, k, eps = rest

    def touching(s):
        return at.log_snr + at.slope * (s - t)

    model = model_at(params["net"], touching)
    x = CODEC.encode(image(k), jnp.float64)
    return terms.integrand(terms.denoise(model, x, image(eps), at, t))


@functools.partial(jax.jit, static_argnums=0)
def losses_of(module, schedule, net=0.8):
    t, k, eps, _ = grid()
    at = terms.coordinates(log_snr_of(module, schedule), t)
    return timed_at({"net": net}, at, (t, k, eps))


@functools.partial(jax.jit, static_argnums=(0, 3))
def routed_gradient(module, schedule, net, is_stratified):
    t, k, eps, weight = grid()
    losses = losses_of(module, schedule, net)
    expected = jnp.zeros_like(losses)
    if is_stratified:
        expected = mean_at_its_time(losses, weight)
    routed = variance_gradient.route(timed_at)

    def total(schedule, net):
        still = jax.lax.stop_gradient(schedule)
        of_ends = schedule | {"interior": still["interior"]}
        of_interior = still | {"interior": schedule["interior"]}
        found = routed(
            {"net": net},
            terms.coordinates(log_snr_of(module, of_ends), t),
            terms.coordinates(log_snr_of(module, of_interior), t),
            expected,
            (t, k, eps),
        )
        return jnp.sum(weight * found)

    return jax.grad(total, (0, 1))(schedule, net)


def mean_at_its_time(losses, weight):
    by_time = (losses * weight).reshape(NUM_TIMES, -1).sum(axis=1) * NUM_TIMES
    return jnp.repeat(by_time, 4 * NUM_EPS)


@functools.partial(jax.jit, static_argnums=(0, 2))
def variance(module, schedule, is_stratified):
    """Of one loss: at a random time, or at a given one, averaged over times."""
    *_, weight = grid()
    losses = losses_of(module, schedule)
    centre = (
        mean_at_its_time(losses, weight) if is_stratified else jnp.sum(weight * losses)
    )
    return jnp.sum(weight * jnp.square(losses - centre))


@functools.partial(jax.jit, static_argnums=0)
def mean(module, schedule, net=0.8):
    *_, weight = grid()
    return jnp.sum(weight * losses_of(module, schedule, net))


def difference(f, tree, direction, step=1e-5):
    """Derivative of f along `direction`, by central differences."""
    ends = [
        f(jax.tree.map(lambda a, d, s=s: np.asarray(a) + s * d, tree, direction))
        for s in (step, -step)
    ]
    return (ends[0] - ends[1]) / (2.0 * step)


def directions(tree, number):
    rng = np.random.default_rng(2)
    return [
        jax.tree.map(lambda a: np.asarray(rng.normal(size=a.shape)), tree)
        for _ in range(number)
    ]


def inner(a, b):
    return sum(
        np.sum(np.asarray(x) * y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.mark.parametrize("is_stratified", [False, True])
@pytest.mark.parametrize("name", INTERIORS)
def test_the_interior_follows_the_variance(name, is_stratified):
    module, schedule = schedule_of(name)
    (gradient, _) = routed_gradient(module, schedule, 0.8, is_stratified)
    for direction in directions(schedule["interior"], 4):
        brute = difference(
            lambda inside: variance(
                module, schedule | {"interior": inside}, is_stratified
            ),
            schedule["interior"],
            direction,
        )
        assert abs(brute) > 1e-3
        got = inner(gradient["interior"], direction)
        np.testing.assert_allclose(got, brute, rtol=2e-3)


@pytest.mark.parametrize("name", INTERIORS)
def test_ends_and_network_follow_the_bound(name):
    module, schedule = schedule_of(name)
    (gradient, of_net) = routed_gradient(module, schedule, 0.8, True)
    for direction in directions(schedule["ends"], 2):
        brute = difference(
            lambda ends: mean(module, schedule | {"ends": ends}),
            schedule["ends"],
            direction,
        )
        got = inner(gradient["ends"], direction)
        np.testing.assert_allclose(got, brute, rtol=1e-6)
    brute = difference(lambda net: mean(module, schedule, net), 0.8, 1.0)
    np.testing.assert_allclose(of_net, brute, rtol=1e-6)


def test_the_whole_bound_teaches_the_ends():
    """With prior and decoder, as a step has them: the gradient is that of their sum."""
    module, schedule = schedule_of("polynomial")
    _, k, eps, weight = grid()

    @jax.jit
    def rest(schedule):
        log_snr, x = log_snr_of(module, schedule), CODEC.encode(image(k), jnp.float64)
        bits = outside_time(log_snr, CODEC, image(k), x, image(eps), CONTINUOUS)
        return jnp.sum(weight * bits) * np.log(2.0)

    def bound(ends):
        at = schedule | {"ends": ends}
        return mean(module, at) + rest(at)

    (gradient, _) = routed_gradient(module, schedule, 0.8, True)
    of_rest = jax.jit(jax.grad(rest))(schedule)
    whole = jax.tree.map(np.add, gradient["ends"], of_rest["ends"])
    for name, of_first, of_last in (("first", 1.0, 0.0), ("last", 0.0, 1.0)):
        direction = {"first": of_first, "last": of_last}
        brute = difference(bound, schedule["ends"], direction)
        np.testing.assert_allclose(whole[name], brute, rtol=1e-5)
    # What holds the ends does not see the interior.
    for leaf in jax.tree.leaves(of_rest["interior"]):
        np.testing.assert_allclose(leaf, 0.0, atol=1e-12)


def test_the_mean_does_not_move_the_interior():
    """The reason for all this: in continuous time the bound says nothing of it."""
    module, schedule = schedule_of("network")
    for direction in directions(schedule["interior"], 2):
        slope = difference(
            lambda inside: mean(module, schedule | {"interior": inside}),
            schedule["interior"],
            direction,
        )
        assert abs(slope) < 1e-4 * float(mean(module, schedule))


def test_times_by_importance_teach_it_the_same():
    """A schedule cannot lower the variance at times that do not depend on it.

    So the gradient stays that of uniform times: with cotangents w p, which is 1 / n, it is
    the sum over any density p of times.
    """
    module, schedule = schedule_of("polynomial")
    t, k, eps, weight = grid()
    at = jax.jit(lambda t: terms.coordinates(log_snr_of(module, schedule), t))(t)
    losses = losses_of(module, schedule)
    expected = mean_at_its_time(losses, weight)
    routed = variance_gradient.route(timed_at)
    density = 0.5 + t  # Of times drawn by importance, 1 / w.

    @jax.jit
    def gradient(cotangent):
        _, pull_back = jax.vjp(
            lambda seen: routed({"net": 0.8}, at, seen, expected, (t, k, eps)), at
        )
        return pull_back(cotangent)[0]

    uniform = gradient(weight)
    by_importance = gradient(weight * density * (1.0 / density))

    @jax.jit
    def plain_gradient(cotangent):
        _, pull_back = jax.vjp(lambda at: timed_at({"net": 0.8}, at, (t, k, eps)), at)
        return pull_back(cotangent)[0]

    plain = plain_gradient(weight)
    for ours, same, theirs in zip(uniform, by_importance, plain, strict=True):
        np.testing.assert_allclose(ours, 2.0 * (losses - expected) * theirs, rtol=1e-9)
        np.testing.assert_allclose(same, ours, rtol=1e-9)


def test_it_takes_one_backward_pass():
    calls = []

    @jax.custom_vjp
    def counted(x):
        return x

    def backward(_, g):
        calls.append(1)
        return (g,)

    counted.defvjp(lambda x: (x, None), backward)

    def loss(params, at, rest):
        return counted(params * at.log_snr * at.slope)

    ones = jnp.ones(3)
    at = terms.Coordinates(2.0 * ones, 3.0 * ones)
    jax.grad(
        lambda p, a, b: jnp.sum(variance_gradient.route(loss)(p, a, b, ones, None)),
        (0, 1, 2),
    )(1.5, at, at)
    assert len(calls) == 1
