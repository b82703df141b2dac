"""DDIM against its own recursion, the ODE it solves, and the chain it shortens."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.samplers import ancestral, chain, ddim, grids
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
    run = functools.partial(chain.sample, model, ddim.make_step(eta), times)
    return jax.jit(functools.partial(run, image_shape=closed_form.SHAPE))(keys())


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
        (2, closed_form.visited(grids.uniform, 2, 2)),
        (10, closed_form.visited(grids.uniform, 10, 10)),
        (1000, closed_form.visited(grids.uniform, 1000, 50)),
        (1000, closed_form.visited(grids.quadratic, 1000, 30)),
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
    times = grids.uniform(jnp.negative, 10, 10)
    expected = chain.sample(model, ancestral.step, times, keys(), closed_form.SHAPE)
    # `sample` has a model with the forward variance: DDIM does not look at it.
    got = sample(full_chain, closed_form.visited(grids.uniform, 10, 10), 1.0)
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
                closed_form.visited(grids.uniform, 1000, 999 // gap + 1),
                0.0,
            )
            - exact
        ).max()
        for gap in (9, 3, 1)
    ]
    ratios = np.array(errors[:-1]) / np.array(errors[1:])
    np.testing.assert_allclose(ratios, 3.0, rtol=0.25)


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_eta_out_of_range(eta):
    with pytest.raises(
        ValueError, match=rf"sample.ddim.eta = {eta} is not in \[0, 1\]"
    ):
        ddim.make_step(eta)
