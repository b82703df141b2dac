"""Constraints against matrices, and pixels against all that there are."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ddpm_jax.diffusion.conditioning import linear_constraints
from ddpm_jax.diffusion.conditioning.linear_constraints import BlockMeans
from ddpm_jax.diffusion.model import Prediction
from ddpm_jax.diffusion.process import gaussian, schedules
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.samplers import ddim, loop
from tests.diffusion import closed_form

SHAPE = (4, 2, 3)
LINE = schedules.linear_log_snr(-8.0, 8.0).log_snr
BLOCKS = [(1, 1, 1), (1, 1, 3), (2, 2, 1), (4, 1, 3)]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def random_images(number: int, batch: int = 3) -> np.ndarray:
    return np.random.default_rng(number).standard_normal((batch, *SHAPE))


def model():
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.standard_normal((24, 24)))
    covariance = (basis * np.geomspace(0.01, 1.0, 24)) @ basis.T
    mean = 0.3 * rng.standard_normal(SHAPE)
    return closed_form.correlated_data(LINE, mean, covariance)


def some_known(block, examples: int = 3, share: float = 0.5) -> BlockMeans:
    """Means of other images, of which about this share is known."""
    means = linear_constraints.block_means(
        jnp.asarray(random_images(8, examples)), block
    )
    known = np.random.default_rng(9).random(means.shape) < share
    return BlockMeans(block, means, jnp.asarray(known))


def matrix(block) -> np.ndarray:
    """A: each row is 1/n in one block, [blocks, pixels]."""
    counts = [size // step for size, step in zip(SHAPE, block, strict=True)]
    rows = []
    for corner in itertools.product(*map(range, counts)):
        row = np.zeros(SHAPE)
        where = [slice(i * b, i * b + b) for i, b in zip(corner, block, strict=True)]
        row[tuple(where)] = 1.0 / np.prod(block)
        rows.append(row.ravel())
    return np.stack(rows)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_imposing_is_the_projection_of_linear_algebra(block):
    x, constraint, means = random_images(0), some_known(block), matrix(block)
    measured = np.asarray(constraint.measure(jnp.asarray(x))).reshape(3, -1)
    np.testing.assert_allclose(measured, x.reshape(3, -1) @ means.T, rtol=1e-12)
    got = np.asarray(constraint.impose(jnp.asarray(x)))
    for i in range(3):
        known = np.asarray(constraint.known[i]).ravel()
        rows, values = means[known], np.asarray(constraint.values[i]).ravel()[known]
        want = x[i].ravel() + np.linalg.pinv(rows) @ (values - rows @ x[i].ravel())
        np.testing.assert_allclose(got[i].ravel(), want, rtol=1e-12, atol=1e-13)
    again = constraint.impose(jnp.asarray(got))
    np.testing.assert_allclose(again, got, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_estimate_agrees_with_what_is_known_and_the_latent_stays(block):
    constraint, diffusion = some_known(block), model()
    z_t, t = jnp.asarray(random_images(2)), jnp.array([0.1, 0.5, 1.0])
    change = linear_constraints.constrained(constraint)
    got = jax.jit(change(diffusion).denoise)(z_t, t)
    measured, known = constraint.measure(got.x), np.asarray(constraint.known)
    np.testing.assert_allclose(
        measured[known], constraint.values[known], rtol=1e-13, atol=1e-14
    )
    latent = gaussian.diffuse(got.x, got.eps, LINE(t))
    np.testing.assert_allclose(latent, z_t, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_where_nothing_is_known_it_is_the_model_to_the_last_bit(block):
    x, eps = (jnp.asarray(random_images(n), jnp.float32) for n in (0, 1))
    want = Prediction(x, eps, jnp.full(x.shape, 0.3, jnp.float32))
    diffusion = closed_form.answering(LINE, **want._asdict())
    change = linear_constraints.constrained(some_known(block, share=0.0))
    t = jnp.asarray([0.0, 0.5, 1.0], jnp.float32)
    got = jax.jit(change(diffusion).denoise)(x, t)
    jax.tree.map(np.testing.assert_array_equal, got, want)


def test_the_three_tasks_know_what_they_say():
    x = jnp.asarray(random_images(0))
    small, grey = x[:, ::2, ::2], x[..., :1]
    painted = np.zeros((1, 4, 2, 1), bool)
    painted[:, 1:3] = True
    found = linear_constraints.inpainting(x, jnp.asarray(painted)).impose(
        jnp.zeros_like(x)
    )
    np.testing.assert_array_equal(found, np.where(painted, 0.0, x))

    enlarged = linear_constraints.super_resolution(small, 2).impose(x)
    means = np.asarray(enlarged).reshape(3, 2, 2, 1, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(means, small, rtol=1e-12, atol=1e-14)

    coloured = np.asarray(linear_constraints.colorization(grey).impose(x))
    np.testing.assert_allclose(coloured.mean(axis=-1), grey[..., 0], atol=1e-14)
    shades = np.asarray(x) - np.asarray(x).mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(coloured - grey, shades, atol=1e-14)


def test_a_part_of_a_batch_takes_its_own_values_along():
    z_t, numbers = jnp.asarray(random_images(2)), jnp.array([2, 0])
    change = linear_constraints.constrained(some_known((2, 2, 1)))
    diffusion = change(model())
    t = jnp.full(3, 0.5)
    whole = jax.jit(diffusion.denoise)(z_t, t)
    part = jax.jit(diffusion.take(numbers).denoise)(z_t[numbers], t[:2])
    np.testing.assert_allclose(part.x, whole.x[numbers], rtol=1e-12)

    for_all = linear_constraints.constrained(some_known((2, 2, 1), examples=1))
    assert for_all(model()).for_examples is None
    own = for_all(change(model())).take(numbers)
    assert np.all(np.isfinite(jax.jit(own.denoise)(z_t[numbers], t[:2]).x))


def test_known_pixels_keep_the_noise_that_they_began_with():
    """By DDIM without noise: z_s = alpha_s x + sigma_s eps, eps that of z_1."""
    x, z_1 = random_images(0), random_images(3)
    painted = np.random.default_rng(4).random((1, *SHAPE)) < 0.5
    constraint = linear_constraints.inpainting(jnp.asarray(x), jnp.asarray(painted))
    keys, times = jax.random.split(jax.random.key(0), 3), jnp.array([1.0, 0.6, 0.3])
    diffusion = linear_constraints.constrained(constraint)(model())
    got = loop.sample_from(diffusion, ddim.make(), times, jnp.asarray(z_1), keys)
    (a_1, s_1), (a, s) = (
        (np.sqrt(1 / (1 + np.exp(-level))), np.sqrt(1 / (1 + np.exp(level))))
        for level in (-8.0, 8.0 - 16.0 * 0.3)
    )
    want = a * x + s * (z_1 - a_1 * x) / s_1
    known = np.broadcast_to(~painted, x.shape)
    np.testing.assert_allclose(np.asarray(got.z)[known], want[known], rtol=1e-10)
    np.testing.assert_allclose(np.asarray(got.prediction.x)[known], x[known])


settled = jax.jit(
    lambda x, block, values, known, num_values: linear_constraints.settle(
        x, BlockMeans(block, values, known), num_values
    ),
    static_argnums=(1, 4),
)
WHOLE = st.integers(0, 2**31 - 1)


@pytest.mark.parametrize(
    ("block", "dtype"),
    [((1, 1, 1), "float32"), ((1, 1, 3), "float64"), ((4, 2, 3), "float32")],
    ids=str,
)
@settings(max_examples=15)
@given(seed=WHOLE, spread=st.sampled_from([0.0, 0.4, 3.0, 300.0]))
@example(seed=0, spread=0.0)
def test_sums_of_pixels_are_exact(block, dtype, seed, spread):
    """Whatever is to be rounded, with sums of all sizes, the largest and the least too."""
    rng, size, num_values = np.random.default_rng(seed), int(np.prod(block)), 17
    x = rng.integers(0, 17, (3, 1, 1, 1)) + spread * rng.standard_normal((3, *SHAPE))
    counts = [n // step for n, step in zip(SHAPE, block, strict=True)]
    ends = np.array([0, 16 * size])
    sums = np.where(
        rng.random((3, *counts)) < 0.2,
        rng.choice(ends, (3, *counts)),
        rng.integers(0, 16 * size, (3, *counts), endpoint=True),
    )
    known = rng.random(sums.shape) < 0.7
    with jax.enable_x64(dtype == "float64"):
        real = jnp.asarray(x, dtype)
        got = settled(real, block, jnp.asarray(sums / size, dtype), known, num_values)
        plain = DiscretizedGaussian(num_values).decode(real / 8.0 - 1.0)
    assert got.dtype == np.uint8 and got.max() <= 16
    found = np.rint(np.asarray(got).reshape(3, -1) @ matrix(block).T * size)
    found = found.reshape(sums.shape)
    np.testing.assert_array_equal(found[known], sums[known])
    free = ~known
    for axis, times in enumerate(block, start=1):
        free = np.repeat(free, times, axis=axis)
    # A value in the middle of two may go to either.
    certain = free & (np.abs(x % 1.0 - 0.5) > 1e-4)
    np.testing.assert_array_equal(got[certain], plain[certain])


def test_settled_pixels_are_the_nearest_of_all():
    """Of all 4^6 images of 6 pixels in one block."""
    every = np.array(list(itertools.product(range(4), repeat=6)))
    rng = np.random.default_rng(0)
    for scale in (0.5, 1.5, 4.0):
        x = 1.5 + scale * rng.standard_normal((20, 6))
        sums = rng.integers(0, 18, 20, endpoint=True)
        values = (sums / 6.0).reshape(20, 1, 1, 1)
        known = np.ones(values.shape, bool)
        images = jnp.asarray(x.reshape(20, 3, 2, 1))
        got = np.asarray(settled(images, (3, 2, 1), jnp.asarray(values), known, 4))
        for own, pixels, total in zip(x, got.reshape(20, 6), sums, strict=True):
            allowed = every[every.sum(axis=1) == total]
            nearest = np.min(np.sum((allowed - own) ** 2, axis=1))
            distance = np.sum((pixels.astype(float) - own) ** 2)
            np.testing.assert_allclose(distance, nearest, rtol=1e-9)


def test_known_pixels_come_back_to_the_last_bit():
    pixel_decoder = DiscretizedGaussian(256)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 4, 2, 3))
    known = rng.random(pixels.shape) < 0.5
    # Off by some pixel values, as by a sampler that does not know.
    near = pixel_decoder.encode(jnp.asarray(pixels)) + 0.02 * rng.standard_normal(
        pixels.shape
    )
    drawn = np.where(known, near, rng.standard_normal(pixels.shape))
    real = jnp.asarray((drawn + 1.0) * 127.5, jnp.float32)
    values = jnp.asarray(pixels, jnp.float32)
    got = settled(real, (1, 1, 1), values, known, 256)
    np.testing.assert_array_equal(got[known], pixels[known])
    np.testing.assert_array_equal(
        got[~known], pixel_decoder.decode(jnp.asarray(drawn))[~known]
    )


def test_sizes_that_do_not_fit():
    x = jnp.asarray(random_images(0))
    with pytest.raises(
        ValueError, match=r"^block = \(3, 2, 1\) does not divide images"
    ):
        linear_constraints.block_means(x, (3, 2, 1))
    wrong = linear_constraints.super_resolution(x, 2)
    for use in (
        wrong.measure,
        wrong.impose,
        lambda x: linear_constraints.settle(x, wrong, 4),
    ):
        with pytest.raises(
            ValueError, match=r"^values of shape \(4, 2, 3\).*\(2, 1, 3\)"
        ):
            use(x)
    with pytest.raises(ValueError, match=r"^block = \(0, 0, 1\): write three numbers"):
        linear_constraints.super_resolution(x, 0)
