"""Ancestral sampling of Gaussian data, whose output is Gaussian with known moments."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.samplers import ancestral, loop, time_grids
from tests.diffusion import closed_form

NUM_SAMPLES = 20_000


def moments_of_output(
    visited: closed_form.Chain, fraction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of x_hat(z_0), by the textbook chain's linear recursion."""
    mean, variance = np.zeros(closed_form.SHAPE), np.ones(closed_form.SHAPE)
    for k in range(visited.num_steps - 1, 0, -1):
        of_x, of_z = visited.posterior_coefficients(k)
        a = visited.alpha_bar[k]
        slope = of_z + of_x * x_hat_slope(a)
        mean = of_x * closed_form.best_x(mean, a) + of_z * mean
        variance = slope**2 * variance + visited.reverse_variance(k, fraction)
    a = visited.alpha_bar[0]
    return closed_form.best_x(mean, a), x_hat_slope(a) ** 2 * variance


def x_hat_slope(alpha_bar: float) -> np.ndarray:
    zero, one = np.zeros(closed_form.SHAPE), np.ones(closed_form.SHAPE)
    return closed_form.best_x(one, alpha_bar) - closed_form.best_x(zero, alpha_bar)


@pytest.mark.parametrize(
    ("num_steps", "grid"),
    [
        (2, closed_form.visited(time_grids.uniform, 2, 2)),
        (10, closed_form.visited(time_grids.uniform, 10, 10)),
        (1000, closed_form.visited(time_grids.uniform, 1000, 20)),
        (1000, closed_form.visited(time_grids.quadratic, 1000, 20)),
    ],
)
@pytest.mark.parametrize("variance", closed_form.FRACTIONS)
def test_samples_have_the_moments_of_the_chain(variance, num_steps, grid):
    full_chain = closed_form.Chain.of(num_steps)
    model = closed_form.gaussian_data(full_chain, "v", variance)
    sample = jax.jit(
        functools.partial(
            loop.sample,
            model,
            ancestral.make(),
            closed_form.times_of(grid, num_steps),
            image_shape=closed_form.SHAPE,
        )
    )
    keys = jax.random.split(jax.random.key(0), NUM_SAMPLES)
    samples = sample(keys=keys).prediction.x

    mean, variance_of = moments_of_output(
        full_chain.visiting(grid), closed_form.FRACTIONS[variance]
    )
    # Five standard errors, 8 numbers: fails a correct program once in 200,000 seeds.
    error = np.abs(samples.mean(axis=0) - mean)
    assert np.all(error < 5.0 * np.sqrt(variance_of / NUM_SAMPLES))
    error = np.abs(samples.var(axis=0) - variance_of)
    assert np.all(error < 5.0 * variance_of * np.sqrt(2.0 / NUM_SAMPLES))


@pytest.mark.parametrize("kind", closed_form.GAUSSIAN_VALUES)
def test_one_step_is_numpys_for_every_prediction(kind):
    full_chain = closed_form.Chain.of(10)
    k, fraction = np.arange(1, 10), closed_form.FRACTIONS["learned"]
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(1))
        z_t = jax.random.normal(keys[0], (9, *closed_form.SHAPE))
        noise = jax.random.normal(keys[1], z_t.shape)
        t, s = jnp.asarray(k / 9), jnp.asarray((k - 1) / 9)
        model = closed_form.gaussian_data(full_chain, kind, "learned")
        got = []
        for i in range(9):
            z, at = z_t[i : i + 1], t[i : i + 1]
            row = loop.transitions(model.log_snr, jnp.stack([t[i], s[i]]))
            row = jax.tree.map(lambda a: a[0], row)
            prediction = model.denoise(z, at)
            step = ancestral.make().step
            state = step(loop.Latent(z), prediction, row, noise[i : i + 1])
            got.append(state.z[0])
    for i in range(9):
        of_x, of_z = full_chain.posterior_coefficients(k[i])
        x = closed_form.best_x(np.asarray(z_t[i]), full_chain.alpha_bar[k[i]])
        std = np.sqrt(full_chain.reverse_variance(k[i], fraction))
        expected = of_x * x + of_z * np.asarray(z_t[i]) + std * np.asarray(noise[i])
        np.testing.assert_allclose(got[i], expected, rtol=1e-8)


def test_one_long_step_keeps_its_digits():
    """Log SNR -22 to 8, in float32, with the estimates of a v-predicting network."""
    l_s, l_t = jnp.array([8.0]), jnp.array([-22.0])
    x = jnp.full((1, 1, 1, 1), 0.3)
    z_t = jnp.full((1, 1, 1, 1), 1.7)
    alpha_t, sigma_t = gaussian.alpha_sigma(l_t[0])
    prediction = closed_form.answering(
        lambda t: t, x=x, eps=(z_t - alpha_t * x) / sigma_t
    ).denoise(z_t, l_t)
    row = loop.Transition(l_t[0], l_t[0], l_s[0])
    step = ancestral.make(ancestral.fixed_variance(0.0)).step
    got = step(loop.Latent(z_t), prediction, row, jnp.zeros_like(x)).z
    alpha_s = np.sqrt(1.0 / (1.0 + np.exp(-8.0)))
    weight_of_eps = np.sqrt(1.0 / (1.0 + np.exp(8.0))) * np.exp(-15.0)
    expected = alpha_s * 0.3 + weight_of_eps * 1.7
    np.testing.assert_allclose(got.item(), expected, rtol=1e-6)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_a_fixed_variance_takes_the_place_of_the_models_own(fraction):
    full_chain = closed_form.Chain.of(10)
    times = closed_form.times_of(np.arange(10), 10)
    keys = jax.random.split(jax.random.key(2), 3)

    def drawn(variance, sampler):
        model = closed_form.gaussian_data(full_chain, "eps", variance)
        return loop.sample(model, sampler, times, keys, closed_form.SHAPE).z

    own = {0.0: "posterior", 1.0: "forward"}[fraction]
    fixed = ancestral.make(ancestral.fixed_variance(fraction))
    got = drawn("learned", fixed)
    np.testing.assert_allclose(got, drawn(own, ancestral.make()), rtol=1e-5)
    assert not np.allclose(got, drawn("learned", ancestral.make()), rtol=1e-2)
