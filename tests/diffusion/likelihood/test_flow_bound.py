"""The flow's likelihood of discrete pixels, where their entropy is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from ddpm_jax.diffusion.likelihood import dequantization, flow_bound
from ddpm_jax.diffusion.likelihood.divergence import Exact, Hutchinson
from ddpm_jax.diffusion.likelihood.probability_flow import Solve
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.process.times import CONTINUOUS
from tests.diffusion import closed_form

PROBABILITIES = np.array([0.4, 0.1, 0.25, 0.05, 0.2])
ENTROPY = -np.sum(PROBABILITIES * np.log(PROBABILITIES))
CODEC = Categorical(5)
VALUES = 2 * (np.arange(5) + 0.5) / 5 - 1
SHAPE = (2, 2, 1)
# tau = 0.2 exp(5.2 / 2) = 2.7: a little of each value's noise reaches into its neighbours.
HIGHEST = 5.2
SCHEDULE = schedules.linear_log_snr(-14.0, HIGHEST)
MODEL = closed_form.discrete_data(SCHEDULE.log_snr, PROBABILITIES, values=VALUES)


def pixels(num: int) -> jax.Array:
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.choice(5, (num, *SHAPE), p=PROBABILITIES))


@functools.cache
def compiled(name, model, pixel_decoder, **options):
    options = {
        "divergence": Exact(4),
        "solve": Solve(rtol=1e-4, atol=1e-4),
        "dequantization": name
        if callable(name)
        else dequantization.DEQUANTIZATIONS[name].default(),
    } | options

    @jax.jit
    def run(images, keys):
        return flow_bound.by_flow(
            model, pixel_decoder, images, keys, CONTINUOUS, **options
        )

    return run


def estimate(name, num: int, seed=1, **options):
    run = compiled(name, MODEL, CODEC, **options)
    return run(pixels(num), jax.random.split(jax.random.key(seed), num))


def per_pixel(found, num: int) -> tuple[float, float]:
    """Of the excess over each image's own -log probability: mean and error, nats a pixel."""
    known = -np.log(PROBABILITIES)[np.asarray(pixels(num))].sum(axis=(1, 2, 3))
    excess = (np.asarray(found.terms.total) - known) / np.prod(SHAPE)
    return excess.mean(), excess.std(ddof=1) / np.sqrt(num)


def gap_in_theory(name: str) -> float:
    """E[-log p(z_0) - log w] less the entropy, nats a pixel, by quadrature."""
    alpha_sq = scipy.special.expit(HIGHEST)
    alpha, sigma = np.sqrt(alpha_sq), np.sqrt(1 - alpha_sq)
    half = 0.5 * alpha * CODEC.bin_width
    offsets, step = np.linspace(-half, half, 20_001, retstep=True)
    q = np.ones_like(offsets)
    if name == "truncated_normal":
        q = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights = np.full_like(offsets, step)
    weights[[0, -1]] /= 2
    q /= np.sum(q * weights)
    gap = 0.0
    for probability, value in zip(PROBABILITIES, VALUES, strict=True):
        deviates = (alpha * value + offsets - alpha * VALUES[:, None]) / sigma
        normal = np.exp(-0.5 * deviates**2) / np.sqrt(2 * np.pi) / sigma
        density = PROBABILITIES @ normal
        bound = np.sum(weights * q * (np.log(q) - np.log(density)))
        gap += probability * (bound + np.log(probability))
    return gap


@pytest.mark.long
def test_gaps_of_dequantisation_are_theorys():
    gaps = {}
    for name in ("uniform", "truncated_normal"):
        found = estimate(name, 1500)
        assert np.all(found.converged)
        mean, stderr = per_pixel(found, 1500)
        expected = gaps[name] = gap_in_theory(name)
        assert abs(mean - expected) < 4 * stderr + 1e-3, name
        assert stderr < 0.3 * expected, name
    assert gaps["truncated_normal"] < 0.1 * gaps["uniform"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["uniform", "decoder"])
def test_importance_weighting_falls_towards_the_entropy(name):
    means, errors = zip(
        *(per_pixel(estimate(name, 600, num_importance=k), 600) for k in (1, 4, 16)),
        strict=True,
    )
    assert means[0] > means[1] > means[2]
    assert means[2] < 0.5 * means[0]
    for mean, stderr in zip(means, errors, strict=True):
        assert mean > -3 * stderr - 1e-3


def test_terms_add_up_and_the_mean_over_draws_stands_inside_the_logarithm():
    """K latents of one draw against the same latents one by one."""
    many = estimate("uniform", 8, num_importance=2)
    keys = jax.random.split(jax.random.key(1), 8)
    log_weights = []
    for number in range(2):
        of_draw = jax.vmap(lambda k: jax.random.fold_in(k, 0))(keys)

        def alone(
            model, pixel_decoder, images, _, steps, number=number, of_draw=of_draw
        ):
            own = jax.vmap(lambda k: jax.random.fold_in(k, 0))(of_draw)
            own = jax.vmap(lambda k: jax.random.fold_in(k, number))(own)
            return dequantization.uniform(model, pixel_decoder, images, own, steps)

        log_weights.append(-estimate(alone, 8).terms.total)
    expected = -(scipy.special.logsumexp(log_weights, axis=0) - np.log(2))
    np.testing.assert_allclose(many.terms.total, expected, rtol=1e-5)
    assert np.all(many.terms.importance <= 1e-5)
    one = estimate("uniform", 8)
    np.testing.assert_array_equal(one.terms.importance, 0.0)


@pytest.mark.long
def test_error_over_draws_is_the_one_that_repeats_show():
    found = estimate("uniform", 64, num_draws=4, divergence=Hutchinson())
    assert np.isfinite(found.total_variance).all()
    np.testing.assert_allclose(
        np.mean(found.halves, axis=0), found.terms.total, rtol=1e-5
    )
    claimed = np.mean(found.total_variance)
    repeats = [
        np.asarray(
            estimate(
                "uniform", 64, num_draws=4, divergence=Hutchinson(), seed=seed
            ).terms.total
        )
        for seed in range(2, 8)
    ]
    measured = np.mean(np.var(repeats, axis=0, ddof=1))
    # 64 images x 3 and x 5 degrees of freedom.
    assert 0.6 < claimed / measured < 1.6
    single = estimate("uniform", 4)
    assert np.isnan(single.total_variance).all()
    assert np.isnan(single.halves).all()


def test_a_decoder_that_asks_the_network_serves_too():
    """The bound of a chain with x_hat's decoder, its transitions replaced by the flow."""
    pixel_decoder = DiscretizedGaussian(5)
    chain = schedules.linear_log_snr(-14.0, 6.0)
    model = closed_form.discrete_data(chain.log_snr, PROBABILITIES)
    images = pixels(300)
    found = flow_bound.by_flow(
        model,
        pixel_decoder,
        images,
        jax.random.split(jax.random.key(3), 300),
        100,
        dequantization=dequantization.decoder,
        divergence=Exact(4),
        solve=Solve(rtol=1e-4, atol=1e-4),
    )
    mean, stderr = per_pixel(found, 300)
    assert -3 * stderr < mean < 0.1


@pytest.mark.parametrize("name", ["num_importance", "num_draws"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name} = 0: write 1"):
        estimate("uniform", 2, **{name: 0})
