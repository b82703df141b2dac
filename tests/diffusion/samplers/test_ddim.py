"""DDIM against its own recursion, the ODE it solves, and the chain it shortens."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.likelihood.divergence import Hutchinson
from ddpm_jax.diffusion.process import gaussian, schedules
from ddpm_jax.diffusion.samplers import ancestral, ddim, loop, time_grids
from tests.diffusion import closed_form


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def keys(number: int = 4) -> jax.Array:
    return jax.random.split(jax.random.key(0), number)


def sample(full_chain, grid, eta, kind="eps"):
    model = closed_form.gaussian_data(full_chain, kind, "forward")
    times = closed_form.times_of(grid, full_chain.num_steps)
    run = functools.partial(loop.sample, model, ddim.make(eta), times)
    arrival = jax.jit(functools.partial(run, image_shape=closed_form.SHAPE))(keys())
    return arrival.prediction.x


def noise(number: int) -> np.ndarray:
    return np.asarray(closed_form.noise(keys(), number, closed_form.SHAPE, jnp.float64))


def song_et_al(visited: closed_form.Chain, eta: float) -> np.ndarray:
    """Equation 12 and 16 of arXiv:2010.02502, on noise drawn as the sampler does."""
    z = noise(0)
    for i, k in enumerate(range(visited.num_steps - 1, 0, -1)):
        a, before = visited.alpha_bar[k], visited.alpha_bar[k - 1]
        x = closed_form.best_x(z, a)
        eps = (z - np.sqrt(a) * x) / np.sqrt(1.0 - a)
        std = eta * np.sqrt((1.0 - before) / (1.0 - a)) * np.sqrt(1.0 - a / before)
        direction = np.sqrt(1.0 - before - std**2) * eps
        z = np.sqrt(before) * x + direction + std * noise(i + 1)
    return closed_form.best_x(z, visited.alpha_bar[0])


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("num_steps", "grid"),
    [
        (2, closed_form.visited(time_grids.uniform, 2, 2)),
        (10, closed_form.visited(time_grids.uniform, 10, 10)),
        (1000, closed_form.visited(time_grids.uniform, 1000, 50)),
        (1000, closed_form.visited(time_grids.quadratic, 1000, 30)),
    ],
)
def test_samples_are_those_of_the_papers_recursion(num_steps, grid, eta):
    full_chain = closed_form.Chain.of(num_steps)
    got = sample(full_chain, grid, eta)
    np.testing.assert_allclose(
        got, song_et_al(full_chain.visiting(grid), eta), rtol=1e-7
    )


def test_eta_one_is_ancestral_sampling_with_the_posteriors_variance():
    full_chain = closed_form.Chain.of(10)
    model = closed_form.gaussian_data(full_chain, "eps", "posterior")
    times = time_grids.uniform(jnp.negative, 10, 10)
    arrival = loop.sample(model, ancestral.make(), times, keys(), closed_form.SHAPE)
    expected = arrival.prediction.x
    # `sample` has a model with the forward variance: DDIM does not look at it.
    got = sample(full_chain, closed_form.visited(time_grids.uniform, 10, 10), 1.0)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_without_noise_it_solves_the_flow_to_first_order():
    """Halving the steps' length halves the distance to where the ODE ends."""
    # The flow keeps each latent at as many standard deviations from its mean.
    full_chain = closed_form.Chain.of(1000)

    def end(alpha_bar, deviates):
        std = np.sqrt(closed_form.variance_of_latent(alpha_bar))
        return np.sqrt(alpha_bar) * closed_form.MEAN + std * deviates

    first, last = full_chain.alpha_bar[-1], full_chain.alpha_bar[0]
    deviates = noise(0) - np.sqrt(first) * closed_form.MEAN
    deviates /= np.sqrt(closed_form.variance_of_latent(first))
    exact = closed_form.best_x(end(last, deviates), last)
    # Counts whose grids are uniform without rounding: 999 = 3^3 37.
    errors = [
        np.abs(
            sample(
                full_chain,
                closed_form.visited(time_grids.uniform, 1000, 999 // gap + 1),
                0.0,
            )
            - exact
        ).max()
        for gap in (9, 3, 1)
    ]
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    np.testing.assert_allclose(ratios, 3.0, rtol=0.25)


def test_given_timesteps_of_the_linear_table_are_the_papers_recursion():
    """DDPM's own table, in float32, against the recursion in float64."""
    listed = (981, 901, 740, 512, 333, 100, 20, 1)
    table = closed_form.Chain(np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000)))
    log_snr = schedules.linear_beta(1000).log_snr
    model = dataclasses.replace(closed_form.gaussian_data(table), log_snr=log_snr)
    with jax.enable_x64(False):
        times = time_grids.explicit(log_snr, 1000, 0, listed)
        own = [jnp.asarray(noise(0), jnp.float32)]
        got = loop.sample_from(model, ddim.make(), times, own[0], keys()).prediction.x
        assert got.dtype == jnp.float32
    z = np.asarray(own[0], np.float64)
    for k, s in zip(listed, (*listed[1:], None), strict=True):
        a = table.alpha_bar[k]
        x = closed_form.best_x(z, a)
        if s is not None:
            before = table.alpha_bar[s]
            eps = (z - np.sqrt(a) * x) / np.sqrt(1.0 - a)
            z = np.sqrt(before) * x + np.sqrt(1.0 - before) * eps
    np.testing.assert_allclose(got, x, atol=1e-6)


def digits_model():
    """The best model of Gaussian data with the digits' mean and covariance."""
    images = load_digits().images.reshape(-1, 64) / 8.0 - 1.0
    covariance = np.cov(images, rowvar=False) + 1e-3 * np.eye(64)
    log_snr = schedules.cosine(-10.0, 10.0).log_snr
    model = closed_form.correlated_data(
        log_snr, images.mean(axis=0).reshape(8, 8, 1), covariance
    )
    return model, jnp.asarray(images[:4].reshape(4, 8, 8, 1))


def round_trip(num_iterations, num_times):
    model, x = digits_model()
    alpha_0, _ = gaussian.alpha_sigma(model.log_snr(jnp.zeros(())))
    times = time_grids.by_log_snr(model.log_snr, 0, num_times)
    up = ddim.inverse(num_iterations)
    z_1 = loop.sample_from(model, up, times[::-1], alpha_0 * x, keys()).z
    back = loop.sample_from(model, ddim.make(), times, z_1, keys()).z / alpha_0
    return np.asarray(z_1), np.abs(back - x).max()


def test_inversion_and_sampling_return_a_digit():
    """Each iteration takes the error down by a factor, to rounding in the end."""
    errors = [round_trip(n, 101)[1] for n in (1, 3, 20)]
    assert errors[1] < 1e-3
    assert np.all(np.array(errors[1:]) < 0.1 * np.array(errors[:-1]))
    assert errors[-1] < 1e-8


@pytest.mark.long
def test_inversion_leads_to_where_the_flow_does():
    """Of Gaussian data, the latent as many deviations from the mean along each axis."""
    coarse, fine = (round_trip(5, n)[0] for n in (101, 401))
    model, x = digits_model()
    end = probability_flow.forward(
        model,
        x * gaussian.alpha_sigma(model.log_snr(jnp.zeros(())))[0],
        keys(),
        Hutchinson("rademacher", 1, False),
        probability_flow.Solve("dopri8", 1e-9, 1e-9),
    ).z_1
    first, second = np.abs(coarse - end).max(), np.abs(fine - end).max()
    assert second < 0.1
    np.testing.assert_allclose(first / second, 4.0, rtol=0.25)


@pytest.mark.parametrize("num_iterations", [0, -1])
def test_an_inversion_asks_at_least_once(num_iterations):
    with pytest.raises(ValueError, match=rf"num_iterations = {num_iterations}: write"):
        ddim.inverse(num_iterations)


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_eta_out_of_range(eta):
    with pytest.raises(ValueError, match=rf"eta = {eta} is not in \[0, 1\]"):
        ddim.make(eta)
