import re

import numpy as np
import pytest
from scipy import special

from ddpm_jax.diffusion.process import betas

NUM_STEPS = [2, 10, 1000, 4000]


def cosine_by_definition(num_steps, offset, max_beta):
    def alpha_bar(u):
        return np.cos((u + offset) / (1 + offset) * np.pi / 2) ** 2

    return np.array(
        [
            min(1 - alpha_bar((k + 1) / num_steps) / alpha_bar(k / num_steps), max_beta)
            for k in range(num_steps)
        ]
    )


@pytest.mark.parametrize("num_steps", NUM_STEPS)
def test_cosine_is_the_published_ratio(num_steps):
    want = cosine_by_definition(num_steps, 0.008, 0.999)
    np.testing.assert_allclose(
        betas.cosine(num_steps, 0.008, 0.999), want, rtol=1e-9, atol=1e-15
    )
    assert betas.cosine(num_steps, 0.008, 0.999)[-1] == 0.999


@pytest.mark.parametrize("num_steps", NUM_STEPS)
def test_linear_and_quadratic_have_even_spacing(num_steps):
    for table, power in [
        (betas.linear(num_steps, 1e-4, 0.02), 1),
        (np.sqrt(betas.quadratic(num_steps, 1e-4, 0.02)), 2),
    ]:
        k = np.arange(num_steps) / (num_steps - 1)
        start, end = 1e-4 ** (1 / power), 0.02 ** (1 / power)
        np.testing.assert_allclose(table, start + k * (end - start), rtol=1e-12)


def test_sigmoid_is_a_logistic_curve():
    k = np.arange(1000) / 999
    curve = special.expit(12 * k - 6)
    want = 1e-4 + (0.02 - 1e-4) * curve
    np.testing.assert_allclose(betas.sigmoid(1000, 1e-4, 0.02, 6.0), want, rtol=1e-12)


def test_constant_repeats_beta():
    np.testing.assert_array_equal(betas.constant(3, 0.02), [0.02, 0.02, 0.02])


def test_rescaling_is_1_at_1000_steps_and_keeps_the_total_noise():
    plain = betas.linear(1000, 1e-4, 0.02)
    np.testing.assert_array_equal(betas.linear(1000, 1e-4, 0.02, rescale=True), plain)
    for num_steps in (100, 4000):
        table = betas.linear(num_steps, 1e-4, 0.02, rescale=True)
        np.testing.assert_allclose(table.sum(), plain.sum(), rtol=1e-12)


def test_log_snr_is_that_of_the_running_product():
    table = betas.linear(1000, 1e-4, 0.02)
    # In extended precision, in which 1 - alpha_bar costs nothing.
    alpha_bar = np.cumprod(1 - table.astype(np.longdouble))
    want = np.log(alpha_bar / (1 - alpha_bar)).astype(np.float64)
    np.testing.assert_allclose(betas.log_snr(table), want, rtol=1e-12, atol=1e-13)


def test_log_snr_keeps_its_digits_where_almost_nothing_is_lost():
    # alpha_bar = 1 - 1e-14: log SNR = log(1e14) to 1e-14, while 1 - alpha_bar taken in
    # float64 is wrong by 1 part in 100.
    got = betas.log_snr(np.array([1e-14, 1e-14]))
    np.testing.assert_allclose(got, -np.log([1e-14, 2e-14]), rtol=1e-13)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: betas.linear(1, 1e-4, 0.02), "num_steps=1: .* at least 2"),
        (lambda: betas.linear(10, 0.0, 0.02), "beta_start=0.0: .* between 0 and 1"),
        (lambda: betas.linear(10, 1e-4, 1.0), "beta_end=1.0: .* between 0 and 1"),
        (lambda: betas.quadratic(0, 1e-4, 0.02), "num_steps=0"),
        (lambda: betas.quadratic(10, -1.0, 0.02), "beta_start=-1.0"),
        (lambda: betas.quadratic(10, 1e-4, 2.0), "beta_end=2.0"),
        (lambda: betas.cosine(-1, 0.008, 0.999), "num_steps=-1"),
        (lambda: betas.cosine(10, -0.1, 0.999), "offset=-0.1: .* 0.008"),
        (lambda: betas.cosine(10, np.nan, 0.999), "offset=nan"),
        (lambda: betas.cosine(10, 0.008, 1.0), "max_beta=1.0"),
        (lambda: betas.sigmoid(10, 1e-4, 0.02, 0.0), "sharpness=0.0: .* positive"),
        (lambda: betas.sigmoid(10, np.nan, 0.02, 6.0), "beta_start=nan"),
        (lambda: betas.constant(10, 1.5), "beta=1.5"),
        (lambda: betas.check(np.ones((2, 2))), r"shape \(2, 2\): .*one-dimensional"),
        (lambda: betas.check(np.array([0.5])), r"shape \(1,\): .*at least 2"),
        (
            lambda: betas.check(np.array([0.1, 0.2, 1.0])),
            r"betas\[2\] = 1.0: .* 0 and 1",
        ),
        (lambda: betas.check(np.array([0.1, np.nan])), r"betas\[1\] = nan"),
    ],
)
def test_a_bad_argument_is_named_with_its_value(build, message):
    with pytest.raises(ValueError, match=message) as error:
        build()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("beta_end", [0.02, 0.0123, 0.3])
def test_too_few_steps_for_rescaling_names_the_fewest_that_work(beta_end):
    with pytest.raises(ValueError, match="num_steps=5") as error:
        betas.linear(5, 1e-4, beta_end, rescale=True)
    fewest = int(re.findall(r"work are (\d+)", str(error.value))[0])
    assert betas.linear(fewest, 1e-4, beta_end, rescale=True).max() < 1
    with pytest.raises(ValueError, match="rescale"):
        betas.linear(fewest - 1, 1e-4, beta_end, rescale=True)
