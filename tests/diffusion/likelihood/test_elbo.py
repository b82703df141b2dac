"""The bound, term by term, against numpy and against what probability says of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from ddpm_jax.diffusion.likelihood import elbo, terms
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.process.times import CONTINUOUS, grid_time
from tests import later
from tests.diffusion import closed_form

CODEC = closed_form.DensityCodec()
WITHOUT = Categorical(17)  # A decoder that does not ask the network.

# Compiled, with everything but pixels and keys fixed.
full = jax.jit(elbo.full, static_argnums=(0, 1, 4, 5))
stratified = jax.jit(elbo.stratified, static_argnums=(0, 1, 4, 5))


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def on_grid(model, x, eps, index, num_steps):
    """The model asked at these latents of a chain."""
    t = grid_time(index, num_steps)
    at = terms.coordinates(model.log_snr, t)
    return terms.denoise(model, x, eps, at, t)


def term_at(model, pixel_decoder, pixels, index, eps, num_steps):
    x = pixel_decoder.encode(pixels, eps.dtype)
    found = on_grid(model, x, eps, index, num_steps)
    return terms.latent_term(
        model.log_snr, pixel_decoder, pixels, found, index, num_steps
    )


def transition(model, x, eps, index, num_steps):
    found = on_grid(model, x, eps, index, num_steps)
    return terms.transition(model.log_snr, found, index, num_steps)


def same_pixels(value: int, batch: int, shape=closed_form.SHAPE) -> jax.Array:
    return jnp.full((batch, *shape), value)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def all_terms(num_steps: int, kind: str, variance: str) -> jax.Array:
    """Terms at every index (rows) and every pair of deviates of x and eps (columns)."""
    model = closed_form.gaussian_data(closed_form.Chain.of(num_steps), kind, variance)
    of_x, of_eps = np.divmod(np.arange(9), 3)
    pixels = jnp.tile(of_x[:, None, None, None], (num_steps, *closed_form.SHAPE))
    eps = closed_form.DEVIATES[of_eps][:, None, None, None]
    eps = jnp.tile(eps, (num_steps, *closed_form.SHAPE))
    index = jnp.repeat(jnp.arange(num_steps), 9)
    found = term_at(model, CODEC, pixels, index, eps, num_steps)
    return found.reshape(num_steps, 9)


@pytest.mark.parametrize("num_steps", [2, 10, 1000])
@pytest.mark.parametrize("variance", closed_form.FRACTIONS)
@pytest.mark.parametrize("kind", closed_form.GAUSSIAN_VALUES)
def test_every_term_of_gaussian_data_is_numpys(kind, variance, num_steps):
    chain, fraction = closed_form.Chain.of(num_steps), closed_form.FRACTIONS[variance]
    got = np.asarray(all_terms(num_steps, kind, variance))

    x = closed_form.MEAN + closed_form.STD * closed_form.DEVIATES.reshape(3, 1, 1, 1, 1)
    eps = closed_form.DEVIATES.reshape(3, 1, 1, 1)
    draws, means = np.empty((num_steps, 9)), np.empty(num_steps)
    for k in range(1, num_steps):
        kl = closed_form.transition_kl(chain, k, x, eps, fraction)
        draws[k] = kl.sum(axis=(-3, -2, -1)).reshape(9)
        means[k] = closed_form.mean_transition_kl(chain, k, fraction).sum()
    a = chain.alpha_bar[0]
    error = x - closed_form.best_x(np.sqrt(a) * x + np.sqrt(1.0 - a) * eps, a)
    nats = closed_form.reconstruction(chain, error**2, fraction)
    draws[0] = nats.sum(axis=(-3, -2, -1)).reshape(9)
    nats = closed_form.reconstruction(chain, closed_form.variance_of_x(a), fraction)
    means[0] = nats.sum()

    # Where x and eps are as expected, the textbook formula itself loses 1e-15.
    np.testing.assert_allclose(got, draws, rtol=1e-6, atol=1e-14)
    # Each term is quadratic in x and eps, so that nine points give its mean exactly.
    weight = np.outer(closed_form.DEVIATE_WEIGHTS, closed_form.DEVIATE_WEIGHTS)
    got_means = got @ weight.reshape(9)
    np.testing.assert_allclose(got_means, means, rtol=1e-6)

    prior = terms.prior(
        chain.log_snr,
        CODEC.encode(jnp.tile(jnp.arange(3)[:, None, None, None], closed_form.SHAPE)),
    )
    total = got_means.sum() + closed_form.DEVIATE_WEIGHTS @ np.asarray(prior)
    expected = means.sum() + closed_form.mean_prior_kl(chain).sum()
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    assert total > closed_form.entropy()


@pytest.mark.parametrize("variance", closed_form.FRACTIONS)
def test_decoder_of_pixels_is_scipys(variance):
    chain, num_values = closed_form.Chain.of(10), 17
    model = closed_form.gaussian_data(chain, "eps", variance)
    pixel_decoder = DiscretizedGaussian(num_values)
    keys = jax.random.split(jax.random.key(0))
    pixels = jax.random.randint(keys[0], (32, *closed_form.SHAPE), 0, num_values)
    eps = jax.random.normal(keys[1], pixels.shape)

    @jax.jit
    def decoder(pixels, eps):
        x = pixel_decoder.encode(pixels, eps.dtype)
        found = on_grid(model, x, eps, jnp.zeros(32, int), chain.num_steps)
        return terms.reconstruction(
            model.log_snr,
            pixel_decoder,
            pixels,
            found.z_t,
            found.prediction,
            chain.num_steps,
        )

    got = decoder(pixels, eps)

    a, x = chain.alpha_bar[0], 2.0 * np.asarray(pixels) / (num_values - 1) - 1.0
    mean = closed_form.best_x(np.sqrt(a) * x + np.sqrt(1.0 - a) * np.asarray(eps), a)
    std = np.sqrt(chain.reverse_variance(0, closed_form.FRACTIONS[variance]))
    above = np.where(pixels == num_values - 1, np.inf, x + 1.0 / (num_values - 1))
    below = np.where(pixels == 0, -np.inf, x - 1.0 / (num_values - 1))
    # From the side of the mean where the distribution function is small.
    sign = np.where(x > mean, -1.0, 1.0)
    ends = np.sort([sign * (above - mean) / std, sign * (below - mean) / std], axis=0)
    log_cdf = scipy.stats.norm.logcdf(ends)
    nats = log_cdf[1] + np.log1p(-np.exp(log_cdf[0] - log_cdf[1]))
    np.testing.assert_allclose(got, -nats.sum(axis=(1, 2, 3)), rtol=1e-9)


@pytest.mark.parametrize("fraction", later.all_but([0.0, 1.0], [0.0]))
def test_bound_of_discrete_pixels_falls_to_their_entropy(fraction):
    p = np.array([0.1, 0.2, 0.4, 0.3])
    entropy = -np.sum(p * np.log(p))
    eps, width = np.linspace(-8.0, 8.0, 401, retstep=True)
    eps_weight = width * np.exp(-0.5 * eps**2) / np.sqrt(2.0 * np.pi)
    pixels = jnp.repeat(jnp.arange(4), eps.size)[:, None, None, None]
    eps_images = jnp.tile(eps, 4)[:, None, None, None]
    model = closed_form.discrete_data(lambda t: 11.0 - 22.0 * t, p, fraction)
    pixel_decoder = DiscretizedGaussian(4)

    @functools.partial(jax.jit, static_argnums=0)
    def bound(num_steps):
        def term(k):
            index = jnp.full(pixels.shape[0], k)
            return term_at(model, pixel_decoder, pixels, index, eps_images, num_steps)

        summed = jnp.sum(jax.lax.map(term, jnp.arange(num_steps)), axis=0)
        means = summed.reshape(4, eps.size) @ eps_weight
        x = pixel_decoder.encode(jnp.arange(4)[:, None, None, None], jnp.float64)
        return p @ (means + terms.prior(model.log_snr, x))

    gaps = np.array([bound(t) - entropy for t in (10, 100, 1000)])
    assert np.all(gaps > 0)
    assert gaps[1] < 0.5 * gaps[0] and gaps[2] < 0.5 * gaps[1]
    assert gaps[2] < 0.05


def test_the_true_noise_costs_nothing_and_no_answer_costs_the_snr_difference():
    chain = closed_form.Chain.of(10)
    keys = jax.random.split(jax.random.key(1))
    x = jax.random.uniform(keys[0], (9, 3, 3, 1), minval=-1.0)
    eps = jax.random.normal(keys[1], x.shape)
    index = jnp.arange(1, 10)

    true = closed_form.answering(chain.log_snr, x=x, eps=eps)
    np.testing.assert_array_equal(transition(true, x, eps, index, 10), 0.0)

    a = chain.alpha_bar[1:][:, None, None, None]
    z = np.sqrt(a) * x + np.sqrt(1.0 - a) * eps
    zero = closed_form.answering(
        chain.log_snr, x=jnp.asarray(z / np.sqrt(a)), eps=jnp.zeros_like(eps)
    )
    snr = chain.alpha_bar / (1.0 - chain.alpha_bar)
    squares = np.sum(np.square(eps), axis=(1, 2, 3))
    expected = 0.5 * (snr[:-1] / snr[1:] - 1.0) * squares
    got = transition(zero, x, eps, index, 10)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def exact_terms(chain: closed_form.Chain, value: int, variance: str) -> np.ndarray:
    """Means over noise of diffusion and reconstruction, of one image."""
    every = np.asarray(all_terms(chain.num_steps, "x", variance))
    means = every[:, 3 * value : 3 * value + 3] @ closed_form.DEVIATE_WEIGHTS
    # Pixels share a deviate there, but each enters by itself: the mean is the same.
    return np.array([means[1:].sum(), means[0]])


def check_over_repeats(estimate: Estimate, exact: np.ndarray) -> None:
    """Unbiased, with a true draw variance.

    Six comparisons at five standard errors: a correct program fails them once in about
    300,000 seeds, or 30,000 allowing for tails heavier than the normal's.
    """
    values = np.stack([estimate.terms.diffusion, estimate.terms.reconstruction])
    values = np.append(values, [np.sum(values, axis=0)], axis=0)
    exact = np.append(exact, exact.sum())
    variance = estimate.draw_variance
    claimed = np.stack([variance.diffusion, variance.reconstruction, variance.total])
    repeats = values.shape[1]
    for value, target, claim in zip(values, exact, claimed, strict=True):
        standard_error = value.std(ddof=1) / np.sqrt(repeats)
        assert abs(value.mean() - target) < 5.0 * standard_error
        excess = (value - target) ** 2 - claim
        assert abs(excess.mean()) < 5.0 * excess.std(ddof=1) / np.sqrt(repeats)


@pytest.mark.parametrize("num_draws", [2, 4, 16, 100])
def test_stratified_estimate_is_unbiased_and_knows_its_error(num_draws):
    chain, repeats = closed_form.Chain.of(38), 4000  # 37 transitions: a prime.
    model = closed_form.gaussian_data(chain, "eps", "learned")
    keys = jax.random.split(jax.random.key(2), repeats)
    estimate = stratified(
        model, CODEC, same_pixels(2, repeats), keys, chain.num_steps, num_draws
    )
    check_over_repeats(estimate, exact_terms(chain, 2, "learned"))
    np.testing.assert_array_equal(estimate.draw_variance.prior, 0.0)


def test_full_estimate_is_unbiased_and_knows_its_error():
    chain, repeats = closed_form.Chain.of(38), 4000
    model = closed_form.gaussian_data(chain, "eps", "learned")
    keys = jax.random.split(jax.random.key(3), repeats)
    pixels = same_pixels(2, repeats)
    estimate = full(model, CODEC, pixels, keys, chain.num_steps, 2)
    check_over_repeats(estimate, exact_terms(chain, 2, "learned"))


def test_a_stratum_for_each_transition_leaves_no_chance_in_time():
    log_snr = closed_form.Chain.of(10).log_snr
    value = 2

    def denoise(z_t, t):
        """Off by 1 in v, whatever the noise: each KL depends on time alone."""
        l_t = log_snr(t)[:, None, None, None]
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
        x = CODEC.encode(same_pixels(value, 50))
        eps = (z_t - alpha * x) / sigma
        return Prediction(x - sigma, eps + alpha, jnp.zeros(()))

    model = Diffusion(log_snr, denoise)
    keys = jax.random.split(jax.random.key(4), 50)
    arguments = (model, CODEC, same_pixels(value, 50), keys, 10)
    estimate = stratified(*arguments, 4 * 9)
    exact = full(*arguments, 1).terms.diffusion
    np.testing.assert_allclose(estimate.terms.diffusion, exact, rtol=1e-9)
    np.testing.assert_allclose(estimate.draw_variance.diffusion, 0.0, atol=1e-9)


def test_mirrored_times_miss_nothing_of_a_straight_line():
    """In continuous time, where the loss depends on t alone and linearly."""
    x = CODEC.encode(same_pixels(2, 50))

    def denoise(z_t, t):
        """Off by sqrt(t) in eps, at a log SNR of 2 - 3 t: the integrand is 3/2 t a pixel."""
        l_t = 2.0 - 3.0 * t[:, None, None, None]
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
        eps = (z_t - alpha * x) / sigma + jnp.sqrt(t)[:, None, None, None]
        return Prediction((z_t - sigma * eps) / alpha, eps, jnp.zeros(()))

    model = Diffusion(lambda t: 2.0 - 3.0 * t, denoise)
    keys = jax.random.split(jax.random.key(4), 50)
    pixel_decoder = closed_form.DensityCodec()
    pixel_decoder.mean_from = "z_0"
    arguments = (model, pixel_decoder, same_pixels(2, 50), keys, CONTINUOUS)
    for num_draws, spread in ((2, True), (4, False), (8, False)):
        found = stratified(*arguments, num_draws).terms.diffusion
        np.testing.assert_allclose(found.mean(), 0.75 * x[0].size, rtol=0.2)
        assert (found.std() > 0.1) == spread
        if not spread:
            np.testing.assert_allclose(found, 0.75 * x[0].size, rtol=1e-9)


def test_full_is_the_sum_of_the_curve_and_one_draw_has_no_variance():
    chain = closed_form.Chain.of(10)
    model = closed_form.gaussian_data(chain)
    keys = jax.random.split(jax.random.key(5), 3)
    arguments = (model, CODEC, same_pixels(0, 3), keys, chain.num_steps)
    mean, variance = elbo.curve(*arguments)
    found = elbo.full(*arguments)
    terms, draw_variance = found.terms, found.draw_variance
    assert mean.shape == (10, 3)
    np.testing.assert_allclose(terms.diffusion, mean[1:].sum(axis=0))
    np.testing.assert_array_equal(terms.reconstruction, mean[0])
    np.testing.assert_allclose(terms.total, terms.prior + mean.sum(axis=0))
    assert np.all(np.isnan(variance)) and np.all(np.isnan(draw_variance.total))


@pytest.mark.parametrize("estimator", [full, stratified])
def test_an_example_is_estimated_from_its_own_key_alone(estimator):
    chain = closed_form.Chain.of(10)
    model = closed_form.gaussian_data(chain)
    keys = jax.random.split(jax.random.key(6), 5)
    forward = estimator(model, CODEC, same_pixels(1, 5), keys, 10, 4)
    backward = estimator(model, CODEC, same_pixels(1, 5), keys[::-1], 10, 4)
    for a, b in zip(jax.tree.leaves(forward), jax.tree.leaves(backward), strict=True):
        np.testing.assert_allclose(a, b[..., ::-1], rtol=1e-12)
    assert len(np.unique(forward.terms.total)) == 5


@pytest.mark.parametrize(
    ("estimator", "num_draws", "evaluations"),
    [
        (elbo.full, 3, 30),
        (elbo.stratified, 12, 16),
    ],
)
def test_the_network_is_compiled_once_and_evaluated_as_often_as_stated(
    estimator, num_draws, evaluations
):
    chain, traces, calls = closed_form.Chain.of(10), [], []
    best = closed_form.gaussian_data(chain)

    @functools.partial(jax.jit, static_argnums=2)
    def estimate(scale, keys, num_steps):
        def denoise(z_t, t):
            traces.append(t)
            jax.debug.callback(lambda: calls.append(1))
            prediction = best.denoise(z_t, t)
            return prediction._replace(x=scale * prediction.x)

        model = Diffusion(chain.log_snr, denoise)
        return estimator(model, CODEC, same_pixels(1, 2), keys, num_steps, num_draws)

    keys = jax.random.split(jax.random.key(7), 2)
    estimate(1.0, keys, 10)
    jax.effects_barrier()
    assert len(calls) == evaluations
    num_traces = len(traces)
    estimate(0.5, keys, 10)
    assert len(traces) == num_traces


def test_decoder_never_sees_estimates_from_noisier_latents():
    class Narrow(closed_form.OneWayCodec):
        """A decoder whose derivative is NaN outside of [-1, 1]."""

        def encode(self, pixels, dtype=jnp.float32):
            return 0.5 * pixels.astype(dtype)

        def log_prob(self, pixels, mean, log_std):
            return jnp.sum(jnp.sqrt(1.0 - jnp.square(mean)) - log_std, axis=(1, 2, 3))

    @jax.jit
    @jax.value_and_grad
    def loss_and_slope(scale):
        def denoise(z_t, t):
            x = (scale * (0.1 + 100.0 * t))[:, None, None, None] * jnp.ones_like(z_t)
            return Prediction(x, z_t - x, jnp.zeros(()))

        model = Diffusion(closed_form.Chain.of(10).log_snr, denoise)
        eps = jnp.ones((2, 2, 2, 1))
        index = jnp.array([0, 9])
        pixels = jnp.ones((2, 2, 2, 1), jnp.int32)
        return jnp.sum(term_at(model, Narrow(), pixels, index, eps, 10))

    value, slope = loss_and_slope(1.0)
    assert np.isfinite(value) and np.isfinite(slope) and slope != 0.0


def test_float32_keeps_five_digits_of_a_thousand_steps():
    chain, batch = closed_form.Chain.of(1000), 16
    model = closed_form.gaussian_data(chain, "eps")
    eps = jax.random.normal(jax.random.key(8), (1000, batch, *closed_form.SHAPE))

    @jax.jit
    def diffusion(eps):
        def kl(k):
            x = CODEC.encode(same_pixels(0, batch), eps.dtype)
            return transition(model, x, eps[k], jnp.full(batch, k), 1000)

        return jnp.sum(jax.lax.map(kl, jnp.arange(1, 1000)), axis=0)

    exact = diffusion(eps)
    eps = eps.astype(jnp.float32)
    with jax.enable_x64(False):
        got = diffusion(eps)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, exact, rtol=1e-5)


def test_stated_numbers_of_evaluations():
    model = closed_form.gaussian_data(closed_form.Chain.of(10))
    keys = jax.random.split(jax.random.key(9), 1)

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def stated(pixel_decoder, num_draws):
        pixels = same_pixels(0, 1)
        found = elbo.stratified(model, pixel_decoder, pixels, keys, 10, num_draws)
        return found.num_evaluations

    cases = ((CODEC, 2), (CODEC, 8), (CODEC, 16), (WITHOUT, 16))
    assert [stated(*case).item() for case in cases] == [4, 10, 20, 16]


def test_halves_are_independent_estimates_of_the_total():
    chain, repeats = closed_form.Chain.of(38), 4000
    model = closed_form.gaussian_data(chain, "eps", "learned")
    keys = jax.random.split(jax.random.key(12), repeats)
    arguments = (model, CODEC, same_pixels(2, repeats), keys, chain.num_steps)
    for found in (stratified(*arguments, 8), full(*arguments, 2)):
        halves = np.asarray(found.halves)
        np.testing.assert_allclose(halves.mean(axis=0), found.terms.total, rtol=1e-9)
        assert abs(np.corrcoef(halves)[0, 1]) < 5 / np.sqrt(repeats)
        excess = (halves[0] - halves[1]) ** 2 / 4 - found.total_variance
        assert abs(excess.mean()) < 5 * excess.std(ddof=1) / np.sqrt(repeats)
    assert np.isnan(full(*arguments, 1).halves).all()


def estimate_spread(seeds: int, num: int, num_draws: int, is_spread: bool, edges=None):
    """[seeds, num] totals of the diffusion term and their claimed variances."""
    model = closed_form.gaussian_data(closed_form.Chain.of(38), "eps")

    @jax.jit
    def one(seed):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(13), seed), num)
        spread = elbo.Spread(
            jnp.arange(num), jax.random.fold_in(jax.random.key(1), seed)
        )
        found = elbo.stratified(
            *(model, CODEC, same_pixels(2, num), keys, 38, num_draws),
            spread=spread if is_spread else None,
            edges=edges,
        )
        return found.terms.diffusion, found.draw_variance.diffusion

    return [np.asarray(a) for a in jax.lax.map(one, jnp.arange(seeds))]


@pytest.mark.parametrize(
    "num_draws", [4, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 8))]
)
def test_spread_times_are_unbiased_and_vary_less_in_the_mean(num_draws):
    exact = exact_terms(closed_form.Chain.of(38), 2, "posterior")[0]
    variances = {}
    for is_spread in (False, True):
        values, claimed = estimate_spread(200, 100, num_draws, is_spread)
        means = values.mean(axis=1)
        stderr = means.std(ddof=1) / np.sqrt(means.size)
        assert abs(means.mean() - exact) < 5 * stderr
        # Each example by itself varies as before.
        np.testing.assert_allclose(claimed.mean(), values.var(axis=0).mean(), rtol=0.1)
        variances[is_spread] = means.var(ddof=1)
    assert variances[True] < 0.6 * variances[False]


def test_the_pairs_of_a_stratum_have_shifts_of_their_own():
    """Else the difference of two pairs would not tell their variance."""
    num, model = 300, closed_form.gaussian_data(closed_form.Chain.of(10), "eps")

    @jax.jit
    def places(seed):
        """Of two strata's four pairs in their strata, of one example."""
        found = elbo.stratified(
            *(model, CODEC, same_pixels(2, 1), jax.random.key(0)[None], 10, 8),
            spread=elbo.Spread(jnp.array([5]), jax.random.key(seed)),
        )
        first, mirror = found.profile.t[:, 0].reshape(4, 2).T
        stratum = jnp.array([0.0, 0.0, 0.5, 0.5])
        return 2.0 * (first - stratum), 2.0 * (mirror - stratum)

    first, mirror = map(np.asarray, jax.lax.map(places, jnp.arange(num)))
    np.testing.assert_allclose(first + mirror, 1.0, atol=1e-9)
    # Independent and even: how far one is ahead of another is as even, round the circle.
    for i in range(4):
        for j in range(i):
            ahead = np.exp(2j * np.pi * (first[:, i] - first[:, j]))
            assert abs(ahead.mean()) < 5 / np.sqrt(num), (i, j)


def test_the_two_pairs_of_a_stratum_are_spread_over_the_square():
    """Else the examples' differences of two pairs would all be alike."""
    num, model = 100, closed_form.gaussian_data(closed_form.Chain.of(10), "eps")
    keys = jax.random.split(jax.random.key(0), num)
    spread = elbo.Spread(jnp.arange(num), jax.random.key(1))
    found = stratified(*(model, CODEC, same_pixels(2, num), keys, 10, 4), spread=spread)
    first, _ = np.asarray(found.profile.t).reshape(2, 2, num).transpose(1, 0, 2)
    assert abs(np.exp(2j * np.pi * (first[0] - first[1])).mean()) < 0.1


def test_strata_of_unequal_width_are_unbiased_and_know_their_error():
    edges = jnp.array([0.0, 0.05, 0.3, 0.9, 1.0])
    exact = exact_terms(closed_form.Chain.of(38), 2, "posterior")[0]
    values, claimed = estimate_spread(1, 4000, 16, False, edges)
    stderr = values.std(ddof=1) / np.sqrt(values.size)
    assert abs(values.mean() - exact) < 5 * stderr
    np.testing.assert_allclose(claimed.mean(), values.var(), rtol=0.15)


def test_profile_is_the_integrand_where_it_was_taken():
    chain = closed_form.Chain.of(38)
    model = closed_form.gaussian_data(chain, "eps")
    keys = jax.random.split(jax.random.key(3), 50)
    found = stratified(model, CODEC, same_pixels(2, 50), keys, 38, 16)
    t, log_snr, per_log_snr, per_time = map(np.asarray, found.profile)
    np.testing.assert_allclose(per_time.mean(axis=0), found.terms.diffusion, rtol=1e-9)
    k = np.clip(1 + np.floor(t * 37), 1, 37).astype(int)
    table = np.log(chain.alpha_bar) - np.log1p(-chain.alpha_bar)
    np.testing.assert_allclose(log_snr, (table[k] + table[k - 1]) / 2, rtol=1e-9)
    np.testing.assert_allclose(
        per_log_snr * (table[k - 1] - table[k]) * 37, per_time, rtol=1e-9
    )


@pytest.mark.parametrize("num_draws", [-2, 0, 1, 3, 6])
def test_stratified_draws_come_in_pairs_of_pairs(num_draws):
    model = closed_form.gaussian_data(closed_form.Chain.of(10))
    keys = jax.random.split(jax.random.key(9), 1)
    with pytest.raises(ValueError, match=rf"^num_draws = {num_draws}\: .* 4"):
        elbo.stratified(model, CODEC, same_pixels(0, 1), keys, 10, num_draws)


def test_full_needs_a_draw():
    model = closed_form.gaussian_data(closed_form.Chain.of(10))
    keys = jax.random.split(jax.random.key(9), 1)
    with pytest.raises(ValueError, match=r"^num_draws = 0: write 1"):
        elbo.full(model, CODEC, same_pixels(0, 1), keys, 10, 0)
