"""The loop all samplers share."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    edm,
    loop,
    predictor_corrector,
    time_grids,
    unipc,
)
from tests.diffusion import closed_form
from tests.diffusion.samplers import exact

CHAIN = closed_form.Chain.of(10)
TIMES = np.arange(9, -1, -1) / 9
CHURN = edm.Churn(amount=3.0)
SAMPLERS = {
    "ancestral": ancestral.make(),
    "ddim": ddim.make(0.5),
    "2M": dpm_solver.multistep(2),
    "3M-SDE": dpm_solver.multistep(3, eta=1.0),
    "3S": dpm_solver.single_step(3),
    "unipc": unipc.make(3),
    "euler": edm.euler(CHURN),
    "heun": edm.heun(CHURN),
    "predictor_corrector": predictor_corrector.make(num_corrections=2),
}


def keys(number: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), number)


def adding(log_snr):
    """A sampler that only adds up what it is given, so that the sum tells."""

    def step(state, prediction, row, noise):
        gap = row.log_snr_s - row.log_snr_t
        added = prediction.x + (1.0 + 10.0 * row.log_snr_t) * gap + noise
        return loop.Latent(added)

    return loop.Sampler(loop.transitions, loop.Latent, step)


def echoing(log_snr):
    """A model that takes what it is given for the image."""

    def denoise(z_t, t):
        return closed_form.answering(log_snr, x=z_t, eps=z_t).denoise(z_t, t)

    return Diffusion(log_snr, denoise)


def test_every_time_is_asked_for_once_in_order_and_the_last_answer_returned():
    visited = []

    def denoise(z_t, t):
        jax.debug.callback(lambda t: visited.append(t), t, ordered=True)
        known = closed_form.answering(
            CHAIN.log_snr, x=z_t * 0.0 + t[0], eps=jnp.zeros_like(z_t)
        )
        return known.denoise(z_t, t)

    times = jnp.asarray([1.0, 0.5, 0.25])
    got = loop.sample(
        Diffusion(CHAIN.log_snr, denoise), ddim.make(), times, keys(2), (2, 3, 1)
    )
    jax.effects_barrier()
    np.testing.assert_array_equal(got.prediction.x, np.full((2, 2, 3, 1), 0.25))
    np.testing.assert_array_equal(visited, np.repeat(times, 2).reshape(3, 2))


def test_each_transition_goes_from_its_time_to_the_next_with_its_own_noise():
    times = jnp.asarray([1.0, 0.5, 0.25, 0.0])
    shape = (2, 2, 1)
    got = loop.sample(
        echoing(jnp.negative), adding(jnp.negative), times, keys(3), shape
    )
    noise = [closed_form.noise(keys(3), i, shape, jnp.float32) for i in range(4)]
    drift = sum(
        (1.0 - 10.0 * t) * (t - s) for t, s in [(1, 0.5), (0.5, 0.25), (0.25, 0)]
    )
    np.testing.assert_allclose(got.z, sum(noise) + drift, rtol=1e-5)
    np.testing.assert_array_equal(got.prediction.x, got.z)
    assert len(np.unique(np.stack(noise))) == 4 * 3 * 4


def test_one_time_is_one_question():
    """From noise to x_hat at once: the shortest list there is."""
    model = closed_form.gaussian_data(CHAIN)
    z_1 = loop.first_latent(keys(3), closed_form.SHAPE, jnp.float32)
    want = model.denoise(z_1, jnp.ones(3)).x
    for sampler in SAMPLERS.values():

        @jax.jit
        def sample(times, keys, sampler=sampler):
            return loop.sample(model, sampler, times, keys, closed_form.SHAPE)

        got = sample(jnp.ones(1), keys(3))
        np.testing.assert_array_equal(got.z, z_1)
        np.testing.assert_allclose(got.prediction.x, want, rtol=1e-6)


@functools.cache
def compiled(name):
    """Keys -> latents of the whole chain: one program for 16 samples on one device."""
    model = closed_form.gaussian_data(CHAIN)

    @jax.jit
    def sample(keys):
        times = jnp.asarray(TIMES, jnp.float32)
        return loop.sample(model, SAMPLERS[name], times, keys, closed_form.SHAPE).z

    return sample


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sample_depends_on_its_own_key_alone(name):
    """Whatever its place, and whoever is beside it."""
    whole = compiled(name)(keys(16))
    assert np.all(np.isfinite(whole))
    others = jax.random.split(jax.random.key(1), 3)
    moved = compiled(name)(jnp.concatenate([keys(16)[3:], others]))
    np.testing.assert_allclose(moved[:13], whole[3:], rtol=1e-5, atol=1e-6)
    assert len(np.unique(whole[:, 0, 0, 0])) == 16


@pytest.mark.parametrize("name", SAMPLERS)
def test_eight_devices_draw_what_one_does(name):
    mesh = Mesh(np.array(jax.devices()), ("data",))
    one = keys(16)
    spread = jax.device_put(one, NamedSharding(mesh, PartitionSpec("data")))
    found = compiled(name)(spread)
    assert len(found.sharding.device_set) == 8
    np.testing.assert_allclose(found, compiled(name)(one), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_network_stands_once_in_the_program_whatever_the_number_of_steps(name):
    best = closed_form.gaussian_data(CHAIN)

    def denoise(z_t, t):
        prediction = best.denoise(z_t, t)
        # Nothing else in the program takes a hyperbolic tangent.
        return prediction._replace(x=jnp.tanh(prediction.x))

    @jax.jit
    def sample(keys):
        times = time_grids.uniform(jnp.negative, 10, 10)
        model = Diffusion(CHAIN.log_snr, denoise)
        return loop.sample(model, SAMPLERS[name], times, keys, closed_form.SHAPE).z

    assert sample.lower(keys(2)).as_text().count("stablehlo.tanh") == 1


def test_a_film_shows_even_moments_from_the_first_to_the_last():
    times = jnp.asarray([1.0, 0.75, 0.5, 0.25, 0.0])
    model, shape = closed_form.gaussian_data(CHAIN), closed_form.SHAPE
    sampler, denoise = ddim.make(), jax.jit(model.denoise)
    z = loop.first_latent(keys(2), shape, jnp.float32)
    moments = []
    for t in times:
        x_hat = denoise(z, jnp.full(2, t)).x
        moments.append((t, z, x_hat))
        if t > 0.0:
            ways = jnp.asarray([t, t - 0.25])
            z = exact.follow(model, sampler, ways, z, keys(2)).z

    @functools.partial(jax.jit, static_argnums=1)
    def sample(keys, num_frames):
        return loop.sample(model, sampler, times, keys, shape, num_frames=num_frames)

    for num_frames, shown in ((5, [0, 1, 2, 3, 4]), (3, [0, 2, 4]), (2, [0, 4])):
        got = sample(keys(2), num_frames)
        film = got.film
        for i, place in enumerate(shown):
            t, z, x_hat = moments[place]
            assert film.t[i] == t
            np.testing.assert_allclose(film.z[i], z, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(film.x_hat[i], x_hat, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(film.z[-1], got.z)
    assert (
        jax.eval_shape(
            lambda k: loop.sample(model, sampler, times, k, shape), keys(2)
        ).film
        is None
    )


def test_more_frames_than_questions_repeat_some():
    model = closed_form.gaussian_data(CHAIN)
    film = loop.sample(
        model,
        ddim.make(),
        jnp.asarray([1.0, 0.5, 0.0]),
        keys(1),
        closed_form.SHAPE,
        num_frames=7,
    ).film
    assert sorted(set(film.t.tolist())) == [0.0, 0.5, 1.0]
    assert np.all(np.diff(film.t) <= 0.0)


def test_progress_is_told_some_fifty_times_and_at_the_end():
    model = closed_form.gaussian_data(CHAIN)
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    sample = jax.jit(
        lambda keys: (
            loop.sample(
                model,
                ddim.make(),
                jnp.linspace(1.0, 0.0, 203),
                keys,
                closed_form.SHAPE,
                progress=progress,
            ).z
        )
    )
    sample(keys(2)).block_until_ready()
    jax.effects_barrier()
    assert sorted(told) == [(done, 203) for done in [*range(4, 203, 4), 203]]


@pytest.mark.parametrize("name", SAMPLERS)
def test_images_have_the_dtype_of_the_times(name):
    model = closed_form.gaussian_data(CHAIN)

    def dtype_for(times):
        def sample(keys):
            return loop.sample(model, SAMPLERS[name], times, keys, closed_form.SHAPE)

        return jax.eval_shape(sample, keys(1)).z.dtype

    with jax.enable_x64(True):
        assert dtype_for(jnp.asarray(TIMES)) == jnp.float64
    assert dtype_for(jnp.asarray(TIMES, jnp.float32)) == jnp.float32
