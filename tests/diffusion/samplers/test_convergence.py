"""Order of convergence: by what power of their number more steps come nearer to the flow's end.

Errors are those of all latents at t = 0 together, relative. Gaussian data has a closed form,
the mixture a solver of order 8.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import ddim, dpm_solver, edm, loop, time_grids, unipc
from tests import later
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

NUM = 64
# Whole blocks for single steps of two and three intervals.
STEPS = (48, 96, 192, 384, 768)
TOLERANCE = 0.3

# Sampler, its order on the mixture, and on Gaussian data if it is another there.
#
# The leading error of a method of order 3 that keeps to the true x_hat is the integral of
# f f''' over lambda, f = (s^2 + e^(-2 lambda))^(-1/2): that of a derivative which is 0 at
# both ends. So 3M has order 4 on Gaussian data, when its steps in log SNR are even.
BY_LOG_SNR: dict[str, tuple[loop.Sampler, int, int]] = {
    "ddim": (ddim.make(), 1, 1),
    "heun": (edm.heun(), 2, 2),
    "2m": (dpm_solver.multistep(2, lower_order_final=False), 2, 2),
    "3m": (dpm_solver.multistep(3, lower_order_final=False), 3, 4),
    "2s": (dpm_solver.single_step(2), 2, 2),
    "3s": (dpm_solver.single_step(3), 3, 3),
    # The corrector adds one.
    "unipc_1": (unipc.make(1, lower_order_final=False), 2, 2),
    "unipc_2": (unipc.make(2, lower_order_final=False), 3, 3),
    "unipc_3": (unipc.make(3, lower_order_final=False), 4, 4),
}
# Each is of the same code as another, at another order.
LATER = ("3m", "2s", "unipc_1", "unipc_2")
# Even times are far from even in log SNR at both ends, where higher orders need far more
# steps than these before their power shows.
UNIFORM = ("ddim", "heun", "2m")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@functools.cache
def start() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((NUM, *exact.SMOOTH.shape))


@functools.cache
def truths() -> tuple[np.ndarray, np.ndarray]:
    """Where the flows of both kinds of data lead."""
    z = start()
    return (
        exact.gaussian_flow(z, -10.0, 10.0),
        exact.mixture_flow(exact.SMOOTH, exact.COSINE, jnp.asarray(z)),
    )


@functools.cache
def both_kinds() -> Diffusion:
    """The Gaussian's model for the first half of the images, the mixture's for the others."""
    halves = (
        closed_form.correlated_data(exact.COSINE, exact.MEAN, exact.COVARIANCE),
        exact.SMOOTH.diffusion(exact.COSINE),
    )

    def denoise(z_t: jax.Array, t: jax.Array) -> Prediction:
        answers = [
            half.denoise(z_t[i : i + NUM], t[i : i + NUM])
            for half, i in zip(halves, (0, NUM), strict=True)
        ]
        x = jnp.concatenate([answer.x for answer in answers])
        eps = jnp.concatenate([answer.eps for answer in answers])
        return Prediction(x, eps, answers[0].variance_fraction)

    return Diffusion(exact.COSINE, denoise)


def errors(sampler: loop.Sampler, spacing: str) -> np.ndarray:
    """Of each number of steps, on Gaussian data and on the mixture."""
    z = jnp.asarray(np.concatenate([start(), start()]))
    found = []
    for num_steps in STEPS:
        times = time_grids.TIME_GRIDS[spacing].default(
            exact.COSINE, CONTINUOUS, num_steps + 1
        )
        end = exact.follow(both_kinds(), sampler, times, z, exact.keys(len(z))).z
        pairs = zip(np.split(np.asarray(end), 2), truths(), strict=True)
        found.append([exact.distance(*pair) for pair in pairs])
    return np.array(found)


def slopes(errors: np.ndarray) -> np.ndarray:
    return -np.polyfit(np.log(STEPS), np.log(errors), 1)[0]


@pytest.mark.parametrize("name", later.all_but(BY_LOG_SNR, LATER))
def test_order_over_even_steps_in_log_snr(name):
    sampler, of_mixture, of_gaussian = BY_LOG_SNR[name]
    found = errors(sampler, "log_snr")
    np.testing.assert_allclose(
        slopes(found), [of_gaussian, of_mixture], atol=TOLERANCE, rtol=0
    )
    assert np.all(np.diff(found, axis=0) < 0.0)


@pytest.mark.parametrize("name", UNIFORM)
def test_order_over_even_times(name):
    sampler, of_mixture, _ = BY_LOG_SNR[name]
    np.testing.assert_allclose(
        slopes(errors(sampler, "uniform")), of_mixture, atol=TOLERANCE, rtol=0
    )


def test_one_last_step_of_order_one_leaves_order_two():
    """It errs by h^2, so little as x_hat moves there that it shows in long runs only."""
    found = errors(unipc.make(3, lower_order_final=True), "log_snr")
    last_doubling = np.log2(found[-2] / found[-1])
    np.testing.assert_allclose(last_doubling, 2.0, atol=0.4, rtol=0)
    assert np.all(slopes(found) > 2.0 + TOLERANCE)


@functools.cache
def hard_mixture(schedule: str) -> tuple[Diffusion, int]:
    """The mixture of small clouds, which has ridges; T."""
    if schedule == "cosine":
        return closed_form.MIXTURE.diffusion(exact.COSINE), CONTINUOUS
    log_snr = schedules.linear_beta(1000).log_snr
    return closed_form.MIXTURE.diffusion(log_snr), 1000


@pytest.mark.parametrize("schedule", ["cosine", "linear_beta"])
def test_twenty_questions_end_within_a_hundredth_of_the_flow(schedule):
    """UniPC-2 on the quadratic grid, against the flow in a thousand steps of order 3."""
    diffusion, num_steps = hard_mixture(schedule)
    z = jnp.asarray(np.random.default_rng(1).standard_normal((256, 1, 2, 1)))
    keys = exact.keys(len(z))
    sampler = unipc.make(2)

    def end(num_visited: int, spacing: str) -> np.ndarray:
        times = time_grids.TIME_GRIDS[spacing].default(
            diffusion.log_snr, num_steps, num_visited
        )
        return np.asarray(exact.follow(diffusion, sampler, times, z, keys).z)

    assert exact.distance(end(20, "quadratic"), end(1000, "uniform")) < 0.01
