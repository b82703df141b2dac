import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian

every_num_values = pytest.mark.parametrize("num_values", [2, 17, 256])
both_dtypes = pytest.mark.parametrize("x64", [False, True])

MEANS = [0.0, 1e-3, 1 / 255, -0.3, 0.999, 1.0, -1.1, 3.0, -50.0]
LOG_STDS = [-12.0, -8.0, -6.0, -5.0, -4.0, -2.0, 0.0, 1.0, 3.0, 6.0, 12.0, 20.0]


def all_values(num_values):
    """Every pixel value, each an example of one pixel."""
    return jnp.arange(num_values).reshape(num_values, 1, 1, 1)


def every_case(num_values, dtype):
    """Every pixel value with each mean and log deviation, all of four dimensions."""
    k, mean, log_std = np.meshgrid(
        np.arange(num_values), MEANS, LOG_STDS, indexing="ij"
    )
    return (
        jnp.asarray(k.reshape(-1, 1, 1, 1)),
        jnp.asarray(mean.reshape(-1, 1, 1, 1), dtype),
        jnp.asarray(log_std.reshape(-1, 1, 1, 1), dtype),
    )


@functools.cache
def log_prob_and_gradients(num_values):
    """Each example's log probability, and its gradients to mean and log deviation."""
    pixel_decoder = DiscretizedGaussian(num_values)

    @jax.jit
    def function(pixels, mean, log_std):
        def total(mean, log_std):
            log_prob = pixel_decoder.log_prob(pixels, mean, log_std)
            return jnp.sum(log_prob), log_prob

        gradients, log_prob = jax.grad(total, argnums=(0, 1), has_aux=True)(
            mean, log_std
        )
        return log_prob, *map(jnp.ravel, gradients)

    return function


@every_num_values
@both_dtypes
def test_encoding_is_even_from_minus_1_to_1(num_values, x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        k = all_values(num_values).astype(jnp.uint8)
        x = DiscretizedGaussian(num_values).encode(k, dtype)
        assert x.dtype == dtype
        want = np.linspace(-1.0, 1.0, num_values).reshape(x.shape)
        np.testing.assert_allclose(x, want, atol=np.finfo(dtype).eps)
        assert (x[0], x[-1]) == (-1.0, 1.0)


@every_num_values
def test_decoding_undoes_encoding_rounds_and_clips(num_values):
    pixel_decoder = DiscretizedGaussian(num_values)
    k = all_values(num_values)
    decoded = pixel_decoder.decode(pixel_decoder.encode(k))
    assert decoded.dtype == jnp.uint8
    np.testing.assert_array_equal(decoded, k)
    almost_half_a_bin = 0.99 / (num_values - 1)
    for off in (-almost_half_a_bin, almost_half_a_bin):
        np.testing.assert_array_equal(
            pixel_decoder.decode(pixel_decoder.encode(k) + off), k
        )
    far = jnp.asarray([-9.0, 9.0]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(
        pixel_decoder.decode(far).ravel(), [0, num_values - 1]
    )


@every_num_values
@both_dtypes
def test_probabilities_of_all_values_sum_to_1(num_values, x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        case = every_case(num_values, dtype)
        nats, *_ = log_prob_and_gradients(num_values)(*case)
        # Added up in float64: 256 roundings of float32 would be the larger error.
        total = np.exp(np.asarray(nats, np.float64)).reshape(num_values, -1).sum(axis=0)
        assert np.max(np.abs(total - 1.0)) < 1e-14 + 2 * np.finfo(dtype).eps


def log_mass(lower, upper):
    """log(Phi(upper) - Phi(lower)) in float64, by scipy."""
    if lower + upper > 0:
        lower, upper = -upper, -lower
    if upper - lower < 0.5:
        middle = 0.5 * (lower + upper)

        def density_over_that_at_the_middle(z):
            return np.exp(-0.5 * (z - middle) * (z + middle))

        area, _ = integrate.quad(
            density_over_that_at_the_middle, lower, upper, epsabs=0, epsrel=1e-12
        )
        return np.log(area) - 0.5 * middle**2 - 0.5 * np.log(2 * np.pi)
    log_upper = special.log_ndtr(upper)
    return log_upper + np.log(-np.expm1(special.log_ndtr(lower) - log_upper))


def log_prob_by_scipy(num_values, k, mean, log_std):
    std, last = np.exp(log_std), num_values - 1
    lower = ((2 * k - 1) / last - 1 - mean) / std
    upper = ((2 * k + 1) / last - 1 - mean) / std
    if k == 0:
        return special.log_ndtr(upper)
    if k == last:
        return special.log_ndtr(-lower)
    return log_mass(lower, upper)


@pytest.mark.parametrize("num_values", [2, 17])
@both_dtypes
def test_log_prob_is_that_of_an_interval_of_the_normal(num_values, x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        case = every_case(num_values, dtype)
        got, *_ = log_prob_and_gradients(num_values)(*case)
        k, mean, log_std = (np.asarray(a, np.float64).ravel() for a in case)
    want = np.array(
        [
            log_prob_by_scipy(num_values, *one)
            for one in zip(k, mean, log_std, strict=True)
        ]
    )
    # The pixel's edges, of size 1, and the mean are rounded before they are subtracted.
    edge = np.abs(2 * k / (num_values - 1) - 1 - mean) + 1
    rounding = (1 + np.abs(mean)) * np.exp(-log_std) * (1 + edge * np.exp(-log_std))
    epsilon = np.finfo(dtype).eps
    np.testing.assert_array_less(
        np.abs(got - want), 5 * epsilon * (1 + np.abs(want) + rounding) + 5e-11
    )


@every_num_values
def test_the_outer_bins_are_open_by_the_pixels_value(num_values):
    log_prob = jax.jit(DiscretizedGaussian(num_values).log_prob)
    mean, log_std = jnp.asarray([-30.0, 30.0]).reshape(2, 1, 1, 1), jnp.float32(-1.0)
    ends = jnp.asarray([0, num_values - 1]).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(log_prob(ends, mean, log_std), [0.0, 0.0])
    if num_values > 2:
        inner = jnp.asarray([1, num_values - 2]).reshape(2, 1, 1, 1)
        assert np.all(log_prob(inner, mean, log_std) < -1000.0)


@every_num_values
@both_dtypes
def test_log_prob_and_gradients_are_finite_everywhere(num_values, x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        k, mean, log_std = every_case(num_values, dtype)
        # And further: deviations of 1e-10 to 1e17, means of a million.
        for mean_factor, log_std_factor in [(1.0, 1.0), (1.0, 2.0), (2e4, 1.0)]:
            for values in log_prob_and_gradients(num_values)(
                k, mean_factor * mean, log_std_factor * log_std
            ):
                assert np.all(np.isfinite(values))


@every_num_values
def test_gradients_are_those_of_finite_differences(num_values):
    with jax.enable_x64(True):
        k, mean, log_std = every_case(num_values, jnp.float64)
        function = log_prob_and_gradients(num_values)
        log_prob, by_mean, by_log_std = function(k, mean, log_std)
        std = jnp.exp(log_std)
        # A step of a millionth of the deviation, and of its log.
        for got, up, down in [
            (by_mean * std.ravel(), (mean + 1e-6 * std, log_std), (mean, log_std)),
            (by_log_std, (mean, log_std + 1e-6), (mean, log_std)),
        ]:
            difference = (function(k, *up)[0] - function(k, *down)[0]) / 1e-6
            error = np.abs(difference - got)
            assert np.all(error <= 1e-5 + 1e-4 * np.abs(log_prob))


@pytest.mark.parametrize("distance", [10.0, 1e3, 1e6, 1e9])
def test_gradient_in_the_far_tail_pulls_the_mean_to_the_nearer_edge(distance):
    # There d log P / d mean = (edge - mean) / std^2 up to 1/distance^2.
    std = 1e-3
    mean = jnp.full((3, 1, 1, 1), 1.0 + distance * std)
    pixels = jnp.asarray([0, 3, 15]).reshape(3, 1, 1, 1)
    _, by_mean, _ = log_prob_and_gradients(17)(
        pixels, mean, jnp.full_like(mean, np.log(std))
    )
    edge = (2 * np.array([0, 3, 15]) + 1) / 16 - 1
    want = (edge - np.ravel(mean).astype(np.float64)) / std**2
    np.testing.assert_allclose(by_mean, want, rtol=1e-3)


def test_dimensions_are_summed_and_the_deviation_may_have_any_shape():
    log_prob = jax.jit(DiscretizedGaussian(17).log_prob)
    rng = np.random.default_rng(0)
    pixels = jnp.asarray(rng.integers(0, 17, (3, 4, 5, 2)), jnp.uint8)
    mean = jnp.asarray(rng.uniform(-1, 1, pixels.shape), jnp.float32)
    log_std = jnp.asarray([-2.0, -1.0, 0.0]).reshape(3, 1, 1, 1)
    got = log_prob(pixels, mean, log_std)
    assert got.shape == (3,)
    each = log_prob(
        pixels.reshape(-1, 1, 1, 1),
        mean.reshape(-1, 1, 1, 1),
        jnp.repeat(log_std.ravel(), 40).reshape(-1, 1, 1, 1),
    )
    np.testing.assert_allclose(got, each.reshape(3, 40).sum(axis=1), rtol=1e-5)
    full = jnp.broadcast_to(log_std, mean.shape)
    np.testing.assert_allclose(log_prob(pixels, mean, full), got, rtol=1e-6)
    for example, scalar in enumerate(log_std.ravel()):
        alone = log_prob(pixels, mean, scalar)[example]
        np.testing.assert_allclose(alone, got[example], rtol=1e-6)


@pytest.mark.parametrize("num_values", [1, 0, -3, 257])
def test_a_bad_number_of_values_is_named(num_values):
    with pytest.raises(ValueError, match=f"num_values={num_values}: .*2 to 256"):
        DiscretizedGaussian(num_values)


@every_num_values
@both_dtypes
def test_values_and_from_values_are_each_others_inverse(num_values, x64):
    with jax.enable_x64(x64):
        dtype = jnp.float64 if x64 else jnp.float32
        pixel_decoder = DiscretizedGaussian(num_values)
        k = all_values(num_values)
        rounding = np.finfo(dtype).eps
        of_integers = pixel_decoder.from_values(k.astype(dtype))
        np.testing.assert_allclose(
            of_integers, pixel_decoder.encode(k, dtype), atol=2 * rounding
        )
        between = jnp.linspace(-1.5, num_values + 0.5, 97, dtype=dtype)
        between = between[:, None, None, None]
        x = pixel_decoder.from_values(between)
        want = np.asarray(between, np.float64) * pixel_decoder.bin_width - 1.0
        np.testing.assert_allclose(x, want, atol=8 * rounding)
        back = pixel_decoder.values(x)
        np.testing.assert_allclose(back, between, atol=4 * num_values * rounding)
        assert x.dtype == back.dtype == dtype
