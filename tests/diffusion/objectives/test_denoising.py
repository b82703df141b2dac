"""Losses of known predictors, and what each part of a loss teaches."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.typing import ArrayLike

from ddpm_jax.diffusion.likelihood import elbo
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.objectives import denoising, weightings
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from tests.diffusion import closed_form

CHAIN = closed_form.Chain.of(10)
CODEC = DiscretizedGaussian(17)
DENSITY = closed_form.DensityCodec()


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def draws(batch: int = 32) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Pixels, times and noise."""
    keys = jax.random.split(jax.random.key(0), 3)
    pixels = jax.random.randint(keys[0], (batch, 8, 8, 1), 0, 17)
    t = jax.random.uniform(keys[1], (batch,))
    return pixels, t, jax.random.normal(keys[2], pixels.shape)


def alpha_sigma(t: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    snr = np.exp(CHAIN.log_snr(t))[:, None, None, None]
    return np.sqrt(snr / (1.0 + snr)), np.sqrt(1.0 / (1.0 + snr))


def predicting_zero(kind: str, x: jax.Array, t: jax.Array, eps: jax.Array) -> Diffusion:
    alpha, sigma = alpha_sigma(t)
    z = alpha * x + sigma * eps
    estimates = {
        "eps": (z / alpha, 0.0 * z),
        "x": (0.0 * z, z / sigma),
        "v": (alpha * z, sigma * z),
    }
    x_hat, eps_hat = estimates[kind]
    return closed_form.answering(CHAIN.log_snr, x=x_hat, eps=eps_hat)


def mean_dims(values: jax.Array) -> np.ndarray:
    return np.mean(values, axis=(1, 2, 3))


@pytest.mark.parametrize("kind", ["eps", "x", "v"])
def test_predicting_zero_costs_the_mean_square_of_the_target(kind):
    pixels, t, eps = draws()
    x = CODEC.encode(pixels, jnp.float64)
    alpha, sigma = alpha_sigma(t)
    target = {"eps": eps, "x": x, "v": alpha * eps - sigma * x}[kind]
    weighting = {"eps": weightings.simple, "x": weightings.x, "v": weightings.v}[kind]()
    model = predicting_zero(kind, x, t, eps)
    got = denoising.weighted(model, weighting, x, t, eps)
    assert got.dtype == jnp.float64
    np.testing.assert_allclose(got, mean_dims(np.square(target)), rtol=1e-9)


@pytest.mark.parametrize("name", weightings.WEIGHTINGS)
def test_the_true_answer_costs_nothing(name):
    pixels, t, eps = draws()
    x = CODEC.encode(pixels, jnp.float64)
    model = closed_form.answering(CHAIN.log_snr, x=x, eps=eps)
    got = denoising.weighted(model, weightings.WEIGHTINGS[name].default(), x, t, eps)
    np.testing.assert_array_equal(got, 0.0)


@pytest.mark.parametrize("name", ["sigmoid", "edm"])
def test_density_over_log_snr_does_not_see_the_schedule(name):
    """The loss of a fixed function of log SNR, by two schedules of the same ends."""
    weighting = weightings.WEIGHTINGS[name].default()
    t = (jnp.arange(4000) + 0.5) / 4000
    x = jnp.zeros((t.size, 1, 1, 1))

    def mean_loss(log_snr):
        def denoise(z_t, t):
            l_t = log_snr(t)[:, None, None, None]
            v_error = jnp.exp(-0.01 * jnp.square(l_t - 1.0))
            return Prediction(
                -jnp.sqrt(jax.nn.sigmoid(-l_t)) * v_error,
                jnp.sqrt(jax.nn.sigmoid(l_t)) * v_error,
                jnp.zeros(()),
            )

        model = Diffusion(log_snr, denoise)
        return jnp.mean(denoising.weighted(model, weighting, x, t, jnp.zeros_like(x)))

    straight = mean_loss(lambda t: 9.0 - 18.0 * t)
    bent = mean_loss(lambda t: 9.0 - 18.0 * t**2 * (3.0 - 2.0 * t))
    np.testing.assert_allclose(straight, bent, rtol=1e-5)
    log_snr = np.linspace(-9.0, 9.0, 20_001)
    weight = weighting.weight(jnp.asarray(log_snr)) * np.exp(
        -0.02 * (log_snr - 1.0) ** 2
    )
    np.testing.assert_allclose(straight, np.trapezoid(weight, log_snr), rtol=1e-5)


def test_single_times_average_to_the_whole_bound():
    model = closed_form.gaussian_data(CHAIN, "v", "learned")
    batch, num_steps = 3, CHAIN.num_steps
    keys = jax.random.split(jax.random.key(1), batch)
    pixels = jnp.tile(jnp.arange(3)[:, None, None, None], closed_form.SHAPE)

    def noise(k, key):
        """What elbo.full draws, as it states."""
        key = jax.random.fold_in(jax.random.fold_in(key, k), 0)
        return jax.random.normal(key, closed_form.SHAPE)

    eps = [jax.vmap(functools.partial(noise, k))(keys) for k in range(num_steps)]
    index = jnp.repeat(jnp.arange(num_steps), batch)
    eps_0 = jnp.full((index.size, *closed_form.SHAPE), jnp.nan)  # Not for this decoder.
    bits = jax.jit(denoising.elbo, static_argnums=(0, 1, 7))(
        model,
        DENSITY,
        jnp.tile(pixels, (num_steps, 1, 1, 1)),
        index,
        index / (num_steps - 1),
        jnp.concatenate(eps),
        eps_0,
        num_steps,
    ).total
    whole = jax.jit(elbo.full, static_argnums=(0, 1, 4))(
        model, DENSITY, pixels, keys, num_steps
    )
    expected = whole.terms.total / (4 * np.log(2.0))
    mean = bits.reshape(num_steps, batch).mean(axis=0)
    np.testing.assert_allclose(mean, expected, rtol=1e-9)


def two_heads(
    parameters: Mapping[str, ArrayLike], calls: list | None = None
) -> Diffusion:
    """A model with a parameter for its mean and one for its reverse variance."""

    def denoise(z_t, t):
        if calls is not None:
            calls.append(1)
        alpha, sigma = alpha_sigma_traced(t)
        x = jnp.asarray(parameters["mean"]) * jnp.tanh(z_t)
        fraction = jax.nn.sigmoid(parameters["variance"] * z_t)
        return Prediction(x, (z_t - alpha * x) / sigma, fraction)

    return Diffusion(CHAIN.log_snr, denoise)


def alpha_sigma_traced(t: jax.Array) -> tuple[jax.Array, jax.Array]:
    l_t = CHAIN.log_snr(t)[:, None, None, None]
    return jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))


PARAMETERS = {"mean": 0.6, "variance": 0.4}


@functools.cache
def gradients() -> dict[str, tuple[jax.Array, dict[str, jax.Array]]]:
    """Value and gradient of the mean of each loss of `two_heads`."""
    pixels = jnp.full((20, *closed_form.SHAPE), 1)
    eps = jax.random.normal(jax.random.key(2), pixels.shape)
    index = jnp.arange(20) % 10
    x, t = DENSITY.encode(pixels), index / 9

    def stopped(m):
        return m.changed(
            lambda m: lambda *at: denoising.stop_mean_gradient(m.denoise(*at))
        )

    def bits(m):
        return denoising.elbo(m, DENSITY, pixels, index, t, eps, eps, 10).total

    cases = {
        "weighted": lambda m: denoising.weighted(m, weightings.simple(), x, t, eps),
        "elbo": bits,
        "stopped": lambda m: bits(stopped(m)),
        "hybrid": lambda m: denoising.hybrid(
            m, weightings.simple(), DENSITY, pixels, index, eps, eps, 10, 0.01
        ),
    }
    return {
        name: jax.jit(jax.value_and_grad(lambda p, f=f: jnp.mean(f(two_heads(p)))))(
            PARAMETERS
        )
        for name, f in cases.items()
    }


def test_stopping_the_mean_changes_no_value_and_leaves_the_variance_to_learn():
    value, gradient = gradients()["elbo"]
    stopped_value, stopped_gradient = gradients()["stopped"]
    np.testing.assert_allclose(stopped_value, value, rtol=1e-12)
    assert stopped_gradient["mean"] == 0.0 and gradient["mean"] != 0.0
    assert gradient["variance"] != 0.0
    np.testing.assert_allclose(
        stopped_gradient["variance"], gradient["variance"], rtol=1e-9
    )


def test_hybrid_teaches_the_mean_by_one_loss_and_the_variance_by_the_other():
    (simple, of_simple), (bound, of_bound), (hybrid, of_hybrid) = (
        gradients()[name] for name in ("weighted", "elbo", "hybrid")
    )
    np.testing.assert_allclose(hybrid, simple + 0.01 * bound, rtol=1e-9)
    np.testing.assert_allclose(of_hybrid["mean"], of_simple["mean"], rtol=1e-9)
    np.testing.assert_allclose(
        of_hybrid["variance"], 0.01 * of_bound["variance"], rtol=1e-9
    )
    assert of_simple["variance"] == 0.0


def test_hybrid_evaluates_the_network_once():
    pixels, _, eps = draws(4)
    calls: list[int] = []
    hybrid = functools.partial(
        denoising.hybrid, two_heads(PARAMETERS, calls), weightings.simple(), CODEC
    )
    index = jnp.arange(4)
    jax.eval_shape(lambda *draws: hybrid(*draws, num_steps=10), pixels, index, eps, eps)
    assert len(calls) == 1
