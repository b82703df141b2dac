"""Editing of Gaussian data, of which every latent's way is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.conditioning import editing
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.samplers import ddim, loop
from tests.diffusion import closed_form

CHAIN = closed_form.Chain.of(10)
TIMES = np.linspace(1.0, 0.0, 10)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def keys(number: int = 3) -> jax.Array:
    return jax.random.split(jax.random.key(0), number)


def random_images(number: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(shape)


def deviates(z: np.ndarray, alpha_bar: float) -> np.ndarray:
    """How many standard deviations a latent is from its mean: the flow keeps this."""
    std = np.sqrt(closed_form.variance_of_latent(alpha_bar))
    return (z - np.sqrt(alpha_bar) * closed_form.MEAN) / std


def test_it_begins_at_a_draw_of_q_with_the_first_noise_of_sampling():
    x, model = random_images(0, 3, 2, 2, 1), closed_form.gaussian_data(CHAIN)
    noise = closed_form.noise(keys(), 0, closed_form.SHAPE, jnp.float64)
    for k in (2, 9):
        got = editing.noised(model, jnp.asarray(x), keys(), jnp.asarray(k / 9))
        a = CHAIN.alpha_bar[k]
        want = np.sqrt(a) * x + np.sqrt(1.0 - a) * noise
        np.testing.assert_allclose(got, want, rtol=1e-10)


def test_begun_at_the_last_time_it_is_nearly_plain_sampling():
    log_snr = schedules.linear_log_snr(-20.0, 5.0).log_snr
    mean, covariance = closed_form.MEAN, np.diag(closed_form.STD.ravel() ** 2)
    model = closed_form.correlated_data(log_snr, mean, covariance)
    times = jnp.linspace(1.0, 0.0, 10)
    x = jnp.asarray(random_images(0, 3, 2, 2, 1))
    z = editing.noised(model, x, keys(), times[0])
    edited = loop.sample_from(model, ddim.make(), times, z, keys())
    sampled = loop.sample(model, ddim.make(), times, keys(), (2, 2, 1))
    np.testing.assert_allclose(edited.z, sampled.z, atol=1e-3)
    assert np.any(edited.z != sampled.z)


@pytest.mark.parametrize("k", [1, 5])
def test_the_flow_goes_down_from_where_it_is_begun(k):
    model = closed_form.gaussian_data(CHAIN)
    z = editing.noised(
        model, jnp.asarray(random_images(0, 3, 2, 2, 1)), keys(), jnp.asarray(k / 9)
    )
    solve = probability_flow.Solve("dopri8", 1e-9, 1e-9)
    found = probability_flow.backward(model, z, solve, start=k / 9)
    assert np.all(found.converged)
    np.testing.assert_allclose(
        deviates(np.asarray(found.z_0), CHAIN.alpha_bar[0]),
        deviates(np.asarray(z), CHAIN.alpha_bar[k]),
        atol=2e-5,
    )


@pytest.mark.parametrize("start", [0.0, 1.5, float("nan")])
def test_a_flow_starts_at_a_time_there_is(start):
    model = closed_form.gaussian_data(CHAIN)
    with pytest.raises(
        ValueError, match=rf"^start = {start}: write a number in \(0, 1"
    ):
        probability_flow.backward(
            model, jnp.zeros((1, 2, 2, 1)), probability_flow.Solve(), start=start
        )


def test_the_arc_is_a_rotation_in_the_plane_of_both():
    z_a, z_b = random_images(1, 8, 8, 3), random_images(2, 8, 8, 3)
    z_b *= np.linalg.norm(z_a) / np.linalg.norm(z_b)
    fractions = np.linspace(0.0, 1.0, 7)
    got = editing.spherical(jnp.asarray(z_a), jnp.asarray(z_b), jnp.asarray(fractions))
    length = np.linalg.norm(z_a)
    angle = np.arccos(np.sum(z_a * z_b) / length**2)
    across = z_b - np.cos(angle) * z_a
    across *= length / np.linalg.norm(across)
    for f, z in zip(fractions, np.asarray(got), strict=True):
        want = np.cos(f * angle) * z_a + np.sin(f * angle) * across
        np.testing.assert_allclose(z, want, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(np.linalg.norm(z), length, rtol=1e-12)


def test_the_arcs_ends_are_the_latents_to_the_last_bit():
    fractions, compiled = jnp.linspace(0.0, 1.0, 5), jax.jit(editing.spherical)
    for dtype in (jnp.float32, jnp.float64):
        # From nearly parallel to nearly opposite.
        for share in np.linspace(-0.99, 0.99, 20):
            a, b = random_images(3, 2, 4, 4, 3)
            z_a = jnp.asarray(a, dtype)
            z_b = jnp.asarray(2.0 * (share * a + (1.0 - abs(share)) * b), dtype)
            for arc in (editing.spherical, compiled):
                got = arc(z_a, z_b, fractions.astype(dtype))
                np.testing.assert_array_equal(got[0], z_a)
                np.testing.assert_array_equal(got[-1], z_b)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_an_arc_of_no_length_or_no_direction_is_a_line(dtype):
    z = jnp.asarray(random_images(1, 4, 4, 1), dtype)
    fractions = jnp.asarray([0.0, 0.25, 1.0], dtype)
    for other in (1.0, 2.0, 1.0 + 1e-6, 0.0, -1.0):
        got = editing.spherical(z, other * z, fractions)
        scale = 1.0 + fractions * (other - 1.0)
        assert np.all(np.isfinite(got))
        if other != 0.0:  # At no length the angle is anything.
            want = scale[:, None, None, None] * z[None]
            np.testing.assert_allclose(got, want, rtol=1e-5)


def passed_down(z: np.ndarray, up: bool = False) -> np.ndarray:
    """DDIM through the whole chain, whose steps of Gaussian data are affine; or its inverse."""
    pairs = [(k, k - 1) for k in range(9, 0, -1)]
    for k, s in reversed(pairs) if up else pairs:

        def step(z: np.ndarray, k=k, s=s) -> np.ndarray:
            a, before = CHAIN.alpha_bar[k], CHAIN.alpha_bar[s]
            x = closed_form.best_x(z, a)
            eps = (z - np.sqrt(a) * x) / np.sqrt(1.0 - a)
            return np.sqrt(before) * x + np.sqrt(1.0 - before) * eps

        offset = step(np.zeros(closed_form.SHAPE))
        gain = step(np.ones(closed_form.SHAPE)) - offset
        z = (z - offset) / gain if up else gain * z + offset
    return z


def test_images_between_two_are_arcs_of_their_latents():
    """Against the exact inverse, which many iterations lead to."""
    model, times = closed_form.gaussian_data(CHAIN), jnp.asarray(TIMES)
    x_a, x_b = closed_form.MEAN + closed_form.STD * random_images(5, 2, 2, 2, 1)
    fractions = np.array([0.0, 0.3, 1.0])
    alpha = np.sqrt(CHAIN.alpha_bar[0])
    images = jnp.asarray(x_a), jnp.asarray(x_b)
    got = editing.interpolate(model, *images, times, jnp.asarray(fractions), 40)
    top = [passed_down(alpha * x, up=True) for x in (x_a, x_b)]
    lengths = [np.linalg.norm(z) for z in top]
    angle = np.arccos(np.sum(top[0] * top[1]) / np.prod(lengths))
    middle = np.sin(0.7 * angle) * top[0] + np.sin(0.3 * angle) * top[1]
    want = np.stack([alpha * x_a, passed_down(middle / np.sin(angle)), alpha * x_b])
    np.testing.assert_allclose(got.z, want, rtol=1e-6, atol=1e-8)
    answer = model.denoise(got.z, jnp.zeros(3)).x
    np.testing.assert_allclose(got.prediction.x, answer, rtol=1e-9)


def test_each_end_is_inverted_by_the_model_of_its_own_example():
    """By classes: the mixture's, of which the two images are."""
    log_snr = schedules.linear_log_snr(-6.0, 6.0).log_snr
    asked = []

    def spying(labels: jax.Array) -> Diffusion:
        model = closed_form.LABELLED.diffusion(log_snr, labels)

        def of(numbers: jax.Array) -> Diffusion:
            asked.append(np.asarray(labels[numbers]).tolist())
            return spying(labels[numbers])

        return Diffusion(model.log_snr, model.denoise, of)

    x = jnp.asarray(random_images(0, 2, 1, 2, 1))
    times, fractions = jnp.linspace(1.0, 0.0, 3), jnp.linspace(0.0, 1.0, 3)
    model = spying(jnp.array([2, 0, 1]))
    got = editing.interpolate(model, x[0], x[1], times, fractions, 1)
    assert asked == [[2, 1]]
    assert got.z.shape == (3, 1, 2, 1)
