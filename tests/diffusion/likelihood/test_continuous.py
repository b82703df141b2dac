"""The bound in continuous time, on discrete pixels whose entropy is known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood import dequantization, elbo, terms
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.nets import monotone
from tests.diffusion import closed_form

# Few images, of many pixels, at many times: chance in time is the larger part.
SHAPE = (16, 32, 1)
NUM_IMAGES = 8
NUM_PIXELS = NUM_IMAGES * 512
NUM_DRAWS = 1024
# Ends beyond which nothing is left to say, by the number of pixel values.
WIDE = {17: (-9.0, 11.0), 256: (-9.0, 15.0)}
# Ends of which one alone is narrow.
EITHER = ((-1.0, 11.0), (-9.0, 5.0))


def lumpy(num_values):
    """How often each value occurs among all pixels: in three heaps of different width."""
    k = np.arange(num_values) / (num_values - 1)
    heaps = sum(
        w * np.exp(-0.5 * ((k - c) / s) ** 2)
        for w, c, s in ((0.5, 0.15, 0.03), (0.3, 0.5, 0.1), (0.4, 0.9, 0.02))
    )
    heaps = heaps + 0.01
    counts = np.maximum(np.floor(heaps / heaps.sum() * NUM_PIXELS).astype(int), 1)
    counts[counts.argmax()] += NUM_PIXELS - counts.sum()
    return counts


def data(num_values):
    """Pixels in exact proportion, so that their mean -log p is the entropy."""
    pixels = np.repeat(np.arange(num_values), lumpy(num_values))
    np.random.default_rng(0).shuffle(pixels)
    return jnp.asarray(pixels.reshape(NUM_IMAGES, *SHAPE))


def entropy(num_values):
    p = lumpy(num_values) / NUM_PIXELS
    return -np.sum(p * np.log2(p))


def learned(interior, low, high, seed):
    """A schedule with random parameters and these ends."""
    module = monotone.Monotone(
        interior=interior,
        first=high,
        last=low,
        first_bounds=(low, high + 1.0),
        last_bounds=(low - 1.0, high),
        learn_ends=False,
    )
    variables = module.init(jax.random.key(0), jnp.zeros(()))
    leaves, tree = jax.tree.flatten(variables)
    keys = jax.random.split(jax.random.key(seed), max(len(leaves), 1))
    moved = [
        a + jax.random.normal(key, a.shape)
        for a, key in zip(leaves, keys, strict=False)
    ]
    return functools.partial(module.apply, jax.tree.unflatten(tree, moved))


SCHEDULES = {
    "straight": lambda low, high: schedules.linear_log_snr(low, high).log_snr,
    "cosine": lambda low, high: schedules.cosine(low, high).log_snr,
    "learned network": lambda low, high: learned(
        monotone.PositiveNetwork(64), low, high, 1
    ),
    "learned polynomial": lambda low, high: learned(
        monotone.Polynomial(), low, high, 2
    ),
}


# One that is fixed and one that is learned; then the others.
FEW = ["cosine", "learned network"] + [
    pytest.param(name, marks=pytest.mark.long)
    for name in ("straight", "learned polynomial")
]


@functools.cache
def estimate(schedule, num_values, ends):
    """Mean bits a dimension over the images, and its error over draws."""
    pixel_decoder = Categorical(num_values)
    values = np.asarray(
        pixel_decoder.encode(jnp.arange(num_values)[:, None, None, None])
    ).ravel()
    model = closed_form.discrete_data(
        SCHEDULES[schedule](*ends), lumpy(num_values) / NUM_PIXELS, values=values
    )
    keys = jax.random.split(jax.random.key(3), NUM_IMAGES)
    found = jax.jit(elbo.stratified, static_argnums=(0, 1, 4, 5))(
        model, pixel_decoder, data(num_values), keys, CONTINUOUS, NUM_DRAWS
    )
    return mean_and_error(found)


def mean_and_error(found):
    unit = NUM_PIXELS * np.log(2.0)
    total = np.sum(np.asarray(found.terms.total, np.float64))
    variance = np.sum(np.asarray(found.draw_variance.total, np.float64))
    return total / unit, np.sqrt(variance) / unit


@pytest.mark.parametrize("num_values", [17, pytest.param(256, marks=pytest.mark.long)])
@pytest.mark.parametrize("schedule", FEW)
def test_the_bound_of_the_best_model_is_the_entropy(schedule, num_values):
    mean, error = estimate(schedule, num_values, WIDE[num_values])
    # Cosine spends a twentieth of its time on the upper half of the widest log SNRs.
    assert error < (0.2 if (schedule, num_values) == ("cosine", 256) else 0.012)
    # Three standard errors: fails a correct program once in 370 seeds; this is one seed.
    assert -3.0 * error < mean - entropy(num_values) < 0.003 + 3.0 * error


@pytest.mark.parametrize("num_values", [17, pytest.param(256, marks=pytest.mark.long)])
@pytest.mark.parametrize("schedule", FEW)
def test_the_bound_does_not_depend_on_the_interior(schedule, num_values):
    ends = WIDE[num_values]
    straight, error = estimate("straight", num_values, ends)
    other, other_error = estimate(schedule, num_values, ends)
    assert abs(other - straight) < 3.0 * np.hypot(error, other_error)


def gaps(num_values, low, high):
    """What narrow ends cost, bits: KL(q(z_1)||N(0,1)) and E KL(q(x|z_0)||p(x|z_0))."""
    p = lumpy(num_values) / NUM_PIXELS
    values = (2.0 * np.arange(num_values) + 1.0) / num_values - 1.0
    z, width = np.linspace(-9.0, 9.0, 36_001, retstep=True)

    def joint(log_snr):
        alpha, sigma = (
            np.sqrt(1 / (1 + np.exp(-log_snr))),
            np.sqrt(1 / (1 + np.exp(log_snr))),
        )
        deviate = (z[:, None] - alpha * values) / sigma
        return np.exp(-0.5 * deviate**2) / (sigma * np.sqrt(2.0 * np.pi))

    q = joint(low) @ p
    normal = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    prior = np.sum(width * q * np.log2(np.maximum(q, 1e-300) / normal))
    likelihood = joint(high)
    both = np.maximum(likelihood * p, 1e-300)
    decoder = np.maximum(likelihood, 1e-300)
    posterior = both / both.sum(axis=1, keepdims=True)
    decoder = decoder / decoder.sum(axis=1, keepdims=True)
    kl = np.sum(posterior * np.log2(posterior / decoder), axis=1)
    return prior, np.sum(width * (likelihood @ p) * kl)


@pytest.mark.parametrize(
    "ends",
    [*(pytest.param(e, marks=pytest.mark.long) for e in EITHER), (0.0, 4.0)],
)
def test_narrow_ends_cost_what_theory_says(ends):
    prior, decoder = gaps(17, *ends)
    assert prior + decoder > 0.02
    mean, error = estimate("straight", 17, ends)
    np.testing.assert_allclose(
        mean - entropy(17), prior + decoder, atol=3.0 * error + 1e-4
    )


def test_the_integrand_is_the_limit_of_a_chain():
    with jax.enable_x64(True):
        log_snr = schedules.cosine(-6.0, 6.0).log_snr
        model = closed_form.discrete_data(log_snr, np.array([0.1, 0.2, 0.4, 0.3]))
        x = jnp.asarray([-1.0, 1.0, 1.0 / 3.0])[:, None, None, None]
        eps = jnp.asarray([0.3, -1.2, 0.8])[:, None, None, None]
        index, num_steps = jnp.array([20_000, 50_000, 80_000]), 100_001
        t = index / (num_steps - 1)
        at = terms.coordinates(log_snr, t)
        found = terms.denoise(model, x, eps, at, t)
        limit = terms.timed(log_snr, found, index, CONTINUOUS)
        chain = terms.timed(log_snr, found, index, num_steps)
    np.testing.assert_allclose(limit, chain, rtol=1e-3)


@pytest.mark.parametrize(
    "pixel_decoder", [Categorical(17), DiscretizedGaussian(17, "z_0")]
)
@pytest.mark.parametrize("num_steps", [2, 10, CONTINUOUS])
def test_a_decoder_of_z_0_leaves_the_network_alone(pixel_decoder, num_steps):
    calls = []
    best = closed_form.discrete_data(lambda t: 6.0 - 12.0 * t, np.full(17, 1 / 17))

    def denoise(z_t, t):
        calls.append(1)
        return best.denoise(z_t, t)

    model = type(best)(best.log_snr, denoise)
    pixels, keys = data(17)[:4], jax.random.split(jax.random.key(0), 4)
    jax.eval_shape(
        lambda *given: dequantization.decoder(model, pixel_decoder, *given, num_steps),
        pixels,
        keys,
    )
    assert not calls
    found = jax.jit(elbo.stratified, static_argnums=(0, 1, 4, 5))(
        model,
        pixel_decoder,
        pixels,
        keys,
        num_steps,
        2,
    )
    assert len(calls) == 1  # Traced once, for the draws of time.
    assert np.all(np.isfinite(found.terms.total))


@pytest.mark.long
def test_a_chain_of_many_steps_has_the_continuous_bound():
    """With the same decoder, from above: each transition adds a little."""
    p, pixel_decoder = lumpy(17) / NUM_PIXELS, Categorical(17)
    values = (2.0 * np.arange(17) + 1.0) / 17 - 1.0
    log_snr = schedules.linear_log_snr(*WIDE[17]).log_snr
    model = closed_form.discrete_data(log_snr, p, values=values)
    keys = jax.random.split(jax.random.key(4), NUM_IMAGES)
    found = jax.jit(elbo.stratified, static_argnums=(0, 1, 4, 5))(
        model, pixel_decoder, data(17), keys, 4000, NUM_DRAWS
    )
    bits, error = mean_and_error(found)
    assert -3.0 * error < bits - entropy(17) < 0.02 + 3.0 * error


def test_the_full_sum_needs_a_chain():
    model = closed_form.discrete_data(lambda t: 6.0 - 12.0 * t, np.full(17, 1 / 17))
    keys = jax.random.split(jax.random.key(0), 4)
    with pytest.raises(
        ValueError, match=r"^num_steps = 0: .* continuous time .* `stratified`"
    ):
        elbo.full(model, Categorical(17), data(17)[:4], keys, CONTINUOUS)
