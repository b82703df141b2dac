"""UniPC against the paper's recursion in numpy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import ddim, time_grids, unipc
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

NUM = 8
MODEL = exact.SMOOTH.diffusion(exact.COSINE)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def start() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((NUM, *exact.SMOOTH.shape))


def followed(sampler, times, model=MODEL):
    return exact.follow(model, sampler, times, jnp.asarray(start()), exact.keys(NUM))


def uniform(num: int) -> jax.Array:
    return time_grids.uniform(exact.COSINE, CONTINUOUS, num)


def coefficients(ratios: list[float], h: float) -> np.ndarray:
    """a_p of R_p(h) a_p B(h) = phi_p(h), with data prediction and B(h) = e^-h - 1.

    `ratios` are r_1 .. r_p of the values; of one value a is 1/2 by the paper's rule.
    """
    if len(ratios) == 1:
        return np.array([0.5])
    phi, target = np.expm1(-h), []
    for k in range(1, len(ratios) + 1):
        phi = phi / -h - 1.0 / math.factorial(k)
        target.append(math.factorial(k) * phi / np.expm1(-h))
    matrix = [np.power(ratios, k) for k in range(len(ratios))]
    return np.linalg.solve(matrix, target)


def zhao_et_al(times: jax.Array, order: int, lower_order_final: bool) -> np.ndarray:
    """Algorithms 1 and 2 of arXiv:2302.04867, UniP and UniC in turns."""
    ask, z = exact.Asked(MODEL), start()
    log_snr = ask.log_snr(times)
    (alpha, sigma), lambdas = exact.alpha_sigma(log_snr), 0.5 * log_snr

    def step(i: int, z: np.ndarray, values: dict, places: list[int]) -> np.ndarray:
        """To time i from z before it, through the values at these places."""
        h = lambdas[i] - lambdas[i - 1]
        base = sigma[i] / sigma[i - 1] * z - alpha[i] * np.expm1(-h) * values[i - 1]
        if not places:
            return base
        ratios = [float((lambdas[k] - lambdas[i - 1]) / h) for k in places]
        differences = [
            (values[k] - values[i - 1]) / r for k, r in zip(places, ratios, strict=True)
        ]
        weighted = sum(
            a * d for a, d in zip(coefficients(ratios, h), differences, strict=True)
        )
        return base - alpha[i] * np.expm1(-h) * weighted

    num_steps = len(times) - 1
    values = {0: ask(z, float(times[0]))[0]}
    for i in range(1, num_steps + 1):
        p = min(order, i)
        if lower_order_final:
            p = min(p, num_steps - i + 1)
        earlier = [i - 1 - m for m in range(1, p)]
        predicted = step(i, z, values, earlier)
        if i == num_steps:
            return predicted
        values[i], _ = ask(predicted, float(times[i]))
        z = step(i, z, values, [*earlier, i])
    raise AssertionError


@pytest.mark.parametrize(
    ("order", "lower_order_final"),
    [(1, True), (2, True), (2, False), (3, True), (3, False)],
)
def test_it_is_that_of_the_paper(order, lower_order_final):
    times = uniform(8)
    found = followed(unipc.make(order, lower_order_final), times).z
    expected = zhao_et_al(times, order, lower_order_final)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_its_first_step_is_ddim():
    found = followed(unipc.make(3), uniform(2))
    expected = followed(ddim.make(), uniform(2))
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-9)


def test_where_x_hat_stays_there_is_nothing_to_mend():
    x = jnp.broadcast_to(jnp.array([0.3, -0.6]), (NUM, 2)).reshape(start().shape)
    model = closed_form.answering(exact.COSINE, x=x, eps=jnp.zeros_like(x))
    alphas, sigmas = exact.alpha_sigma(np.array([-10.0, 10.0]))
    for order in (1, 2, 3):
        found = followed(unipc.make(order), uniform(6), model).z
        kept = sigmas[1] / sigmas[0] * (start() - alphas[0] * np.asarray(x))
        np.testing.assert_allclose(found, alphas[1] * x + kept, rtol=1e-9)


def test_it_asks_once_a_time():
    assert exact.count_questions(MODEL, unipc.make(2), uniform(6)) == 6


@pytest.mark.parametrize("order", [0, 4])
def test_order_out_of_range(order):
    with pytest.raises(ValueError, match=f"order = {order}: write 1, 2 or 3"):
        unipc.make(order)
