"""The probability flow, where the density it should give is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.likelihood.divergence import Exact, Hutchinson
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import schedules
from tests import later
from tests.diffusion import closed_form

MIXTURE = closed_form.MIXTURE
LINE = schedules.linear_log_snr(-20.0, 5.0).log_snr
EXACT = Exact()
TIGHT = probability_flow.Solve(rtol=1e-8, atol=1e-8)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def keys(num: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), num)


def forward(diffusion, z_0, divergence=EXACT, solve=TIGHT, keys_=None):
    run = jax.jit(probability_flow.forward, static_argnums=(0, 3, 4))
    given = keys(len(z_0)) if keys_ is None else keys_
    return run(diffusion, jnp.asarray(z_0), given, divergence, solve)


def latents(log_snr_0: float, num: int) -> np.ndarray:
    """Of the mixture, at t = 0."""
    rng = np.random.default_rng(0)
    alpha_sq = 1.0 / (1.0 + np.exp(-log_snr_0))
    x = MIXTURE.sample(rng, num)
    return np.sqrt(alpha_sq) * x + np.sqrt(1 - alpha_sq) * rng.standard_normal(x.shape)


def test_density_of_a_mixture_is_the_true_one():
    """And of a rough density, with another schedule, in test_rough_density."""
    z_0 = latents(5.0, 64)
    found = forward(MIXTURE.diffusion(LINE), z_0)
    assert np.all(found.converged)
    # What the prior lacks at log SNR -20 is below 5e-5 nats.
    np.testing.assert_allclose(
        found.log_density, MIXTURE.log_density(z_0, 5.0), rtol=0, atol=1e-4
    )


def test_density_in_float32_at_default_tolerances():
    z_0 = latents(5.0, 64).astype(np.float32)
    with jax.enable_x64(False):
        found = forward(MIXTURE.diffusion(LINE), z_0, solve=probability_flow.Solve())
        assert found.log_density.dtype == jnp.float32
    np.testing.assert_allclose(
        found.log_density, MIXTURE.log_density(z_0, 5.0), rtol=0, atol=2e-3
    )


def correlated() -> tuple[np.ndarray, np.ndarray]:
    """Mean and a full covariance of 192 dimensions, of scales 0.05 to 1."""
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.standard_normal((192, 192)))
    scales = np.geomspace(0.05, 1.0, 192)
    return 0.5 * rng.standard_normal((8, 8, 3)), (basis * scales**2) @ basis.T


@pytest.mark.long
def test_density_of_a_gaussian_in_192_dimensions():
    mean, covariance = correlated()
    rng = np.random.default_rng(2)
    x = rng.multivariate_normal(mean.ravel(), covariance, size=3).reshape(3, 8, 8, 3)
    alpha_sq = 1.0 / (1.0 + np.exp(-5.0))
    z_0 = np.sqrt(alpha_sq) * x + np.sqrt(1 - alpha_sq) * rng.standard_normal(x.shape)
    # In so many dimensions the prior lacks more: the noise must be purer.
    log_snr = schedules.linear_log_snr(-28.0, 5.0).log_snr
    model = closed_form.correlated_data(log_snr, mean, covariance)
    truth = scipy.stats.multivariate_normal.logpdf(
        z_0.reshape(3, -1),
        np.sqrt(alpha_sq) * mean.ravel(),
        alpha_sq * covariance + (1 - alpha_sq) * np.eye(192),
    )
    solve = probability_flow.Solve("dopri8", rtol=1e-8, atol=1e-8)
    exact = forward(model, z_0, Exact(chunk=48), solve).log_density
    np.testing.assert_allclose(exact, truth, rtol=0, atol=1e-4)

    # 200 probes of one image, against its exact density.
    repeated = np.repeat(z_0[:1], 200, axis=0)
    rough = probability_flow.Solve(rtol=1e-4, atol=1e-4)
    for probe in (Hutchinson(), Hutchinson("gaussian")):
        found = np.asarray(forward(model, repeated, probe, rough).log_density)
        stderr = found.std(ddof=1) / np.sqrt(found.size)
        assert stderr > 0.01
        assert abs(found.mean() - exact[0]) < 5 * stderr


def test_end_point_of_a_gaussian_flow():
    """Each dimension of N(m, s^2) keeps its deviate: (z_t - alpha m) / std(z_t)."""
    chain = closed_form.Chain.of(10)
    model = closed_form.gaussian_data(chain)
    z_0 = np.random.default_rng(3).standard_normal((4, *closed_form.SHAPE))
    found = forward(model, z_0, solve=probability_flow.Solve("dopri8", 1e-9, 1e-9))
    deviates = []
    for z, alpha_bar in (
        (z_0, chain.alpha_bar[0]),
        (np.asarray(found.z_1), chain.alpha_bar[-1]),
    ):
        std = np.sqrt(closed_form.variance_of_latent(alpha_bar))
        deviates.append((z - np.sqrt(alpha_bar) * closed_form.MEAN) / std)
    np.testing.assert_allclose(*deviates, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "solver", later.all_but(probability_flow.SOLVERS, ("tsit5", "dopri8"))
)
def test_every_solver_agrees_and_its_evaluations_are_counted(solver):
    model, calls = MIXTURE.diffusion(LINE), []

    def counted(z_t: jax.Array, t: jax.Array) -> Prediction:
        jax.debug.callback(lambda _: calls.append(1), t[0])
        return model.denoise(z_t, t)

    z_0 = latents(5.0, 1)
    solve = probability_flow.Solve(solver, 1e-6, 1e-6, max_steps=4000)
    found = forward(Diffusion(LINE, counted), z_0, Hutchinson(), solve)
    jax.effects_barrier()
    truth = forward(model, z_0, Hutchinson())
    np.testing.assert_allclose(found.log_density, truth.log_density, atol=2e-4)
    assert len(calls) == int(
        probability_flow.num_evaluations(found.num_steps, solve)[0]
    )


def test_every_example_takes_its_own_steps():
    """Alone or beside others that are harder, its numbers are the same."""
    model, z_0 = MIXTURE.diffusion(LINE), latents(5.0, 6)
    z_0[3] *= 30.0
    solve = probability_flow.Solve(rtol=1e-4, atol=1e-4)
    together = forward(model, z_0, solve=solve)
    alone = forward(model, z_0[:1], solve=solve)
    assert together.num_steps[3] != together.num_steps[0] == alone.num_steps[0]
    np.testing.assert_allclose(
        together.log_density[0], alone.log_density[0], rtol=1e-12
    )


def test_what_does_not_arrive_says_so():
    model, z_0 = MIXTURE.diffusion(LINE), latents(5.0, 4)
    short = forward(
        model, z_0, solve=probability_flow.Solve(rtol=1e-9, atol=1e-9, max_steps=5)
    )
    assert not np.any(short.converged)
    assert np.all(short.num_steps == 5)

    z_0[2] = np.nan
    found = forward(model, z_0)
    assert found.converged.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rtol": 0.0}, "rtol = 0.0"),
        ({"atol": -1e-3}, "atol = -0.001"),
        ({"atol": float("nan")}, "atol = nan"),
        ({"max_steps": 0}, "max_steps = 0"),
        ({"solver": "euler"}, "solver = 'euler'"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message):
        probability_flow.Solve(**settings)


def test_backward_returns_along_the_way_that_forward_came():
    z_0 = latents(5.0, 16)
    model = MIXTURE.diffusion(LINE)
    z_1 = forward(model, z_0).z_1
    run = jax.jit(probability_flow.backward, static_argnums=(0, 2))
    found = run(model, z_1, TIGHT)
    assert np.all(found.converged) and found.z_0.dtype == jnp.float64
    np.testing.assert_allclose(found.z_0, z_0, atol=1e-5)
    # Each example takes steps of its own.
    mixed = run(model, jnp.concatenate([z_1[3:], 9.0 * z_1[:3]]), TIGHT)
    np.testing.assert_allclose(mixed.z_0[0], found.z_0[3], rtol=1e-10)
    np.testing.assert_array_equal(mixed.num_steps[:13], found.num_steps[3:])
    assert np.any(mixed.num_steps[13:] != found.num_steps[:3])


def test_a_sample_that_does_not_arrive_says_so():
    z_1 = jax.random.normal(jax.random.key(0), (3, *MIXTURE.shape))
    few = probability_flow.Solve(max_steps=3)
    found = probability_flow.backward(MIXTURE.diffusion(LINE), z_1, few)
    assert not np.any(found.converged)
