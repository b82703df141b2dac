"""Euler's and Heun's method against the paper's algorithm in numpy, in z / alpha."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import ddim, edm, time_grids
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

NUM = 8
MODEL = exact.SMOOTH.diffusion(exact.COSINE)
CHURN = edm.Churn(amount=2.0, least=0.05, most=20.0, noise=1.007)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def start() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((NUM, *exact.SMOOTH.shape))


def noise(number: int) -> np.ndarray:
    return np.asarray(
        closed_form.noise(exact.keys(NUM), number, exact.SMOOTH.shape, jnp.float64)
    )


def followed(sampler, times, z=None):
    z = start() if z is None else z
    return exact.follow(MODEL, sampler, times, jnp.asarray(z), exact.keys(NUM))


def uniform(num: int) -> jax.Array:
    return time_grids.uniform(exact.COSINE, CONTINUOUS, num)


def test_euler_without_churn_is_ddim():
    found = followed(edm.euler(), uniform(7))
    expected = followed(ddim.make(), uniform(7))
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-9)
    np.testing.assert_allclose(found.prediction.x, expected.prediction.x, rtol=1e-9)


class InNoiseScale:
    """The model as EDM has it: slope of z / alpha at a noise scale r = sigma / alpha."""

    def __init__(self):
        self._ask = exact.Asked(MODEL)
        self._inverse = schedules.cosine(-10.0, 10.0).inverse

    def scale(self, times: jax.Array) -> np.ndarray:
        return np.exp(-0.5 * self._ask.log_snr(times))

    def slope(self, y: np.ndarray, r: float) -> np.ndarray:
        t = float(self._inverse(jnp.asarray(-2.0 * np.log(r))))
        alpha = 1.0 / np.sqrt(1.0 + r**2)
        x, _ = self._ask(alpha * y, t)
        return (y - x) / r


def karras_et_al(times: jax.Array, churn: edm.Churn, order: int) -> np.ndarray:
    """Algorithm 2 of arXiv:2206.00364, down to t = 0; order 1 is without its lines 7, 8.

    The noise scale is never raised above that of t = 1, where the model ends.
    """
    model = InNoiseScale()
    r = model.scale(times)
    num_steps = len(times) - 1
    y = start() * np.sqrt(1.0 + r[0] ** 2)
    for i in range(num_steps):
        inside = churn.least <= r[i] <= churn.most
        gamma = min(churn.amount / num_steps, math.sqrt(2.0) - 1.0) if inside else 0.0
        raised = min(r[i] * (1.0 + gamma), r[0])
        # What is drawn at the question before, the last of the step that led here.
        drawn = noise(order * i) if i else 0.0
        y = y + churn.noise * np.sqrt(raised**2 - r[i] ** 2) * drawn
        slope = model.slope(y, raised)
        onward = y + (r[i + 1] - raised) * slope
        if order == 2:
            mean = 0.5 * (slope + model.slope(onward, r[i + 1]))
            onward = y + (r[i + 1] - raised) * mean
        y = onward
    return y / np.sqrt(1.0 + r[-1] ** 2)


@pytest.mark.parametrize("churn", [edm.Churn(), CHURN, edm.Churn(amount=100.0)])
@pytest.mark.parametrize(("make", "order"), [(edm.euler, 1), (edm.heun, 2)])
def test_it_is_that_of_the_paper(make, order, churn):
    found = followed(make(churn), uniform(7)).z
    expected = karras_et_al(uniform(7), churn, order)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_heun_asks_twice_a_step_and_once_more():
    assert exact.count_questions(MODEL, edm.heun(), uniform(6)) == 11
    assert exact.count_questions(MODEL, edm.euler(CHURN), uniform(6)) == 6


def asked_at(churn: edm.Churn, times: jax.Array, log_snr=exact.COSINE, num_steps=0):
    """Where Euler's steps start."""
    sampler = edm.euler(churn, num_steps)
    return np.asarray(jax.jit(lambda t: sampler.plan(log_snr, t).t)(times))


def test_churned_times_are_later_none_above_one():
    times = uniform(21)
    asked = asked_at(edm.Churn(amount=100.0), times)
    assert asked[0] == 1.0
    assert np.all(asked <= 1.0)
    assert np.all(asked[1:] > times[1:-1])
    # By the largest factor, but for the first, which would lead above 1.
    scale = InNoiseScale().scale
    ratios = scale(asked) / scale(times[:-1])
    np.testing.assert_allclose(ratios[5:], math.sqrt(2.0), rtol=1e-9)


def test_churned_times_of_a_chain_are_its_own():
    log_snr = schedules.linear_beta(100).log_snr
    times = time_grids.uniform(log_snr, 100, 12)
    asked = asked_at(edm.Churn(amount=4.0), times, log_snr, 100)
    np.testing.assert_allclose(99.0 * asked, np.rint(99.0 * asked), atol=1e-9)
    assert np.all(asked <= 1.0)
    assert np.all(asked >= times[:-1])
    assert np.sum(asked > times[:-1]) > 5


def test_no_churn_outside_its_noise_scales():
    times = uniform(41)
    asked = asked_at(edm.Churn(amount=10.0, least=0.1, most=2.0), times)
    scale = InNoiseScale().scale(times)[:-1]
    inside = (scale >= 0.1) & (scale <= 2.0)
    np.testing.assert_array_equal(asked > times[:-1], inside)
    assert 5 < inside.sum() < 35


def test_the_first_step_starts_from_the_latent_as_given():
    """From the middle of the way too, where churn would need noise that none has added."""
    times = uniform(13)[6:]
    sampler = edm.heun(edm.Churn(amount=100.0))
    asked = np.asarray(jax.jit(lambda t: sampler.plan(exact.COSINE, t).t)(times))
    assert asked[0] == times[0]
    assert asked[2] > times[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount": -1.0}, "amount = -1.0: write a number from 0 on"),
        ({"amount": math.inf}, "amount = inf"),
        ({"least": -0.1}, "least = -0.1"),
        ({"noise": math.nan}, "noise = nan"),
        ({"least": 2.0, "most": 1.0}, "most = 1.0: write a number above least = 2.0"),
        ({"most": math.nan}, "most = nan"),
    ],
)
def test_options_that_cannot_work(options, message):
    with pytest.raises(ValueError, match=message):
        edm.Churn(**options)
