"""DPM-Solver++ against the papers' recursions in numpy, and against DDIM at order 1."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import ancestral, ddim, dpm_solver, loop, time_grids
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

NUM = 8
MODEL = exact.SMOOTH.diffusion(exact.COSINE)
KEYS = functools.partial(exact.keys, NUM)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def start() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((NUM, *exact.SMOOTH.shape))


def noise(number: int) -> np.ndarray:
    return np.asarray(
        closed_form.noise(KEYS(), number, exact.SMOOTH.shape, jnp.float64)
    )


def followed(sampler, times, model=MODEL):
    return exact.follow(model, sampler, times, jnp.asarray(start()), KEYS())


class Places:
    """alpha, sigma and lambda of each time."""

    def __init__(self, times: jax.Array):
        log_snr = exact.Asked(MODEL).log_snr(times)
        self.alpha, self.sigma = exact.alpha_sigma(log_snr)
        self.lambdas = 0.5 * log_snr


def uniform(num: int) -> jax.Array:
    return time_grids.uniform(exact.COSINE, CONTINUOUS, num)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_order_one_is_ddim(eta):
    found = followed(dpm_solver.multistep(1, eta), uniform(7))
    expected = followed(ddim.make(eta), uniform(7))
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-9)
    np.testing.assert_allclose(found.prediction.x, expected.prediction.x, rtol=1e-9)


def test_order_one_with_noise_is_ancestral_sampling():
    found = followed(dpm_solver.multistep(1, eta=1.0), uniform(7))
    expected = followed(ancestral.make(ancestral.fixed_variance(0.0)), uniform(7))
    np.testing.assert_allclose(found.z, expected.z, rtol=1e-9)


def two_m(times: jax.Array, eta: float, lower_order_final: bool) -> np.ndarray:
    """Algorithm 2 of arXiv:2211.01095; at eta = 1 its stochastic form, section 4.3."""
    at, ask, z = Places(times), exact.Asked(MODEL), start()
    old, h_old = None, None
    for i in range(1, len(times)):
        h = at.lambdas[i] - at.lambdas[i - 1]
        x, _ = ask(z, float(times[i - 1]))
        d = x
        if old is not None and not (lower_order_final and i == len(times) - 1):
            r = h_old / h
            d = (1.0 + 0.5 / r) * x - 0.5 / r * old
        z = (
            at.sigma[i] / at.sigma[i - 1] * np.exp(-eta * h) * z
            + at.alpha[i] * (1.0 - np.exp(-(1.0 + eta) * h)) * d
            + at.sigma[i] * np.sqrt(1.0 - np.exp(-2.0 * eta * h)) * noise(i)
        )
        old, h_old = x, h
    return z


@pytest.mark.parametrize(
    ("eta", "lower_order_final"), [(0.0, True), (0.0, False), (0.5, False), (1.0, True)]
)
def test_2m_is_that_of_the_paper(eta, lower_order_final):
    sampler = dpm_solver.multistep(2, eta, lower_order_final)
    expected = two_m(uniform(7), eta, lower_order_final)
    np.testing.assert_allclose(followed(sampler, uniform(7)).z, expected, rtol=1e-9)


def two_s(times: jax.Array) -> np.ndarray:
    """Algorithm 1 of arXiv:2211.01095, its inner times on the grid."""
    at, ask, z = Places(times), exact.Asked(MODEL), start()
    for i in range(2, len(times), 2):
        h = at.lambdas[i] - at.lambdas[i - 2]
        r = (at.lambdas[i - 1] - at.lambdas[i - 2]) / h
        x, _ = ask(z, float(times[i - 2]))
        u = at.sigma[i - 1] / at.sigma[i - 2] * z
        u = u + at.alpha[i - 1] * (1.0 - np.exp(-r * h)) * x
        inner, _ = ask(u, float(times[i - 1]))
        d = (1.0 - 0.5 / r) * x + 0.5 / r * inner
        z = at.sigma[i] / at.sigma[i - 2] * z + at.alpha[i] * (1.0 - np.exp(-h)) * d
    return z


def three_s(times: jax.Array) -> np.ndarray:
    """Ibid., the third order: DPM-Solver-3 for x_hat, its inner times on the grid."""
    at, ask, z = Places(times), exact.Asked(MODEL), start()
    for i in range(3, len(times), 3):
        first = i - 3
        x, _ = ask(z, float(times[first]))
        reached, slope = z, np.zeros_like(z)
        for j in range(first + 1, i + 1):
            if j > first + 1:
                inner, _ = ask(reached, float(times[j - 1]))
                slope = (inner - x) / (at.lambdas[j - 1] - at.lambdas[first])
            h = at.lambdas[j] - at.lambdas[first]
            reached = (
                at.sigma[j] / at.sigma[first] * z
                - at.alpha[j] * np.expm1(-h) * x
                + at.alpha[j] * (np.expm1(-h) + h) * slope
            )
        z = reached
    return z


@pytest.mark.parametrize(("order", "recursion"), [(2, two_s), (3, three_s)])
def test_single_steps_are_those_of_the_paper(order, recursion):
    found = followed(dpm_solver.single_step(order), uniform(7))
    np.testing.assert_allclose(found.z, recursion(uniform(7)), rtol=1e-9)


def polynomial_model(polynomial: Callable) -> Diffusion:
    """Its x_hat is a polynomial of lambda, whatever z is."""

    def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
        x = polynomial(0.5 * exact.COSINE(t))[:, None, None, None]
        return Prediction(
            jnp.broadcast_to(x, z_t.shape), jnp.zeros_like(z_t), jnp.zeros(())
        )

    return Diffusion(exact.COSINE, denoise)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_third_order_integrates_a_parabola_exactly(eta):
    """Over uneven steps too. So the second difference has its factor of two.

    Without it, as in some published code, 3M is a method of second order.
    """
    times = uniform(9)
    model = polynomial_model(lambda at: 0.3 - 0.2 * at + 0.1 * at**2)
    sampler = dpm_solver.multistep(3, eta, lower_order_final=False)
    run = jax.jit(
        functools.partial(loop.sample_from, model, sampler, num_frames=times.size)
    )
    z = np.asarray(run(times, jnp.asarray(start()), KEYS()).film.z)
    at = Places(times)

    def exactly(i: int) -> np.ndarray:
        """The exact step to time i from where the sampler was before it."""
        first, last = at.lambdas[i - 1], at.lambdas[i]
        kappa, h = 1.0 + eta, last - first
        integral, _ = scipy.integrate.quad(
            lambda u: (
                kappa * np.exp(-kappa * (last - u)) * (0.3 - 0.2 * u + 0.1 * u**2)
            ),
            first,
            last,
            epsrel=1e-13,
        )
        kept = at.sigma[i] / at.sigma[i - 1] * np.exp(-eta * h) * z[i - 1]
        std = at.sigma[i] * np.sqrt(1.0 - np.exp(-2.0 * eta * h))
        return kept + at.alpha[i] * integral + std * noise(i)

    for i in range(3, len(times)):
        np.testing.assert_allclose(z[i], exactly(i), rtol=1e-10)
    # The first two steps know fewer values.
    for i in (1, 2):
        assert np.abs(z[i] - exactly(i)).max() > 1e-4


@pytest.mark.parametrize(
    ("order", "num_intervals", "sizes"),
    [
        (2, 1, [1]),
        (2, 2, [2]),
        (2, 5, [1, 2, 2]),
        (3, 1, [1]),
        (3, 2, [2]),
        (3, 4, [2, 2]),
        (3, 7, [2, 2, 3]),
        (3, 8, [2, 3, 3]),
        (3, 9, [3, 3, 3]),
    ],
)
def test_shorter_blocks_go_first_and_none_is_of_one_if_avoidable(
    order, num_intervals, sizes
):
    times = uniform(num_intervals + 1)
    sampler = dpm_solver.single_step(order)
    plan = jax.jit(lambda times: sampler.plan(exact.COSINE, times))(times)
    starts = np.flatnonzero(plan.is_first)
    found = np.diff(np.append(starts, num_intervals)).tolist()
    assert found == sizes
    np.testing.assert_array_equal(plan.t, times[:-1])


@pytest.mark.parametrize(
    "sampler",
    [
        dpm_solver.multistep(3),
        dpm_solver.multistep(2, eta=1.0),
        dpm_solver.single_step(2),
        dpm_solver.single_step(3),
    ],
)
def test_it_asks_once_a_time(sampler):
    assert exact.count_questions(MODEL, sampler, uniform(6)) == 6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dpm_solver.multistep(0), "order = 0: write 1, 2 or 3"),
        (lambda: dpm_solver.multistep(4), "order = 4: write 1, 2 or 3"),
        (lambda: dpm_solver.multistep(2, eta=-0.1), r"eta = -0.1 is not in \[0, 1\]"),
        (lambda: dpm_solver.multistep(2, eta=1.5), r"eta = 1.5 is not in \[0, 1\]"),
        (lambda: dpm_solver.multistep(2, float("nan")), r"eta = nan is not"),
        (lambda: dpm_solver.single_step(1), "order = 1: a single step has order 2"),
        (lambda: dpm_solver.single_step(4), "order = 4: a single step has order 2"),
    ],
)
def test_options_that_cannot_work(make, message):
    with pytest.raises(ValueError, match=message):
        make()
