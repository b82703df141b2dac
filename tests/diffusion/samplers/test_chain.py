"""The loop all samplers share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.samplers import ancestral, chain, ddim, grids
from tests.diffusion import closed_form

CHAIN = closed_form.Chain.of(10)
TIMES = np.arange(9, -1, -1) / 9


def keys(number: int) -> jax.Array:
    return jax.random.split(jax.random.key(0), number)


def test_every_time_is_visited_once_in_order_and_the_last_estimate_returned():
    visited = []

    def denoise(z_t, t):
        jax.debug.callback(lambda t: visited.append(t), t, ordered=True)
        known = closed_form.answering(
            CHAIN.log_snr, x=z_t * 0.0 + t[0], eps=jnp.zeros_like(z_t)
        )
        return known.denoise(z_t, t)

    def step(prediction, log_snr_s, log_snr_t, noise):
        steps.append((log_snr_s.shape, log_snr_t.shape))
        return prediction.x

    steps: list = []
    times = jnp.asarray([1.0, 0.5, 0.25])
    got = chain.sample(
        Diffusion(CHAIN.log_snr, denoise), step, times, keys(2), (2, 3, 1)
    )
    jax.effects_barrier()
    np.testing.assert_array_equal(got, np.full((2, 2, 3, 1), 0.25))
    np.testing.assert_array_equal(visited, np.repeat(times, 2).reshape(3, 2))
    assert set(steps) == {((2,), (2,))}


def test_each_transition_goes_from_its_time_to_the_next_with_its_own_noise():
    """A step that only adds up what it is given, so that the sum tells."""
    times = jnp.asarray([1.0, 0.5, 0.25, 0.0])

    def log_snr(t):
        return -t

    def step(prediction, log_snr_s, log_snr_t, noise):
        gap = (log_snr_s - log_snr_t)[:, None, None, None]
        return prediction.x + (1.0 + 10.0 * log_snr_t[0]) * gap + noise

    def denoise(z_t, t):
        return closed_form.answering(log_snr, x=z_t, eps=z_t).denoise(z_t, t)

    shape = (2, 2, 1)
    got = chain.sample(Diffusion(log_snr, denoise), step, times, keys(3), shape)
    noise = [closed_form.noise(keys(3), i, shape, jnp.float32) for i in range(4)]
    drift = sum(
        (1.0 - 10.0 * t) * (t - s) for t, s in [(1, 0.5), (0.5, 0.25), (0.25, 0)]
    )
    np.testing.assert_allclose(got, sum(noise) + drift, rtol=1e-5)
    assert len(np.unique(np.stack(noise))) == 4 * 3 * 4


@pytest.mark.parametrize("step", [ancestral.step, ddim.make_step(0.5)])
def test_a_sample_depends_on_its_own_key_alone(step):
    model = closed_form.gaussian_data(CHAIN)

    def sample(keys):
        return chain.sample(model, step, jnp.asarray(TIMES), keys, closed_form.SHAPE)

    whole = sample(keys(5))
    np.testing.assert_allclose(sample(keys(5)[3:]), whole[3:], rtol=1e-5)
    assert len(np.unique(whole[:, 0, 0, 0])) == 5


def test_eight_devices_draw_what_one_does():
    model = closed_form.gaussian_data(CHAIN)

    @jax.jit
    def sample(keys):
        return chain.sample(
            model, ancestral.step, jnp.asarray(TIMES), keys, closed_form.SHAPE
        )

    devices = jax.devices()
    mesh = Mesh(np.array(devices), ("data",))
    one = keys(len(devices) * 2)
    spread = jax.device_put(one, NamedSharding(mesh, PartitionSpec("data")))
    np.testing.assert_allclose(sample(spread), sample(one), rtol=1e-5)


def test_the_network_is_compiled_once_whatever_the_number_of_steps():
    traces = []
    best = closed_form.gaussian_data(CHAIN)

    @jax.jit
    def sample(scale, keys):
        def denoise(z_t, t):
            traces.append(1)
            prediction = best.denoise(z_t, t)
            return prediction._replace(x=scale * prediction.x)

        times = grids.uniform(jnp.negative, 10, 10)
        model = Diffusion(CHAIN.log_snr, denoise)
        return chain.sample(model, ancestral.step, times, keys, closed_form.SHAPE)

    compiled = sample.lower(1.0, keys(2)).as_text()
    assert compiled.count("stablehlo.while") >= 1
    assert len(traces) == 1
    sample(1.0, keys(2))
    sample(0.5, keys(2))
    assert len(traces) == 1


def test_progress_is_told_some_fifty_times_and_at_the_end():
    model = closed_form.gaussian_data(CHAIN)
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    sample = jax.jit(
        lambda keys: chain.sample(
            model,
            ddim.make_step(),
            jnp.linspace(1.0, 0.0, 203),
            keys,
            closed_form.SHAPE,
            progress,
        )
    )
    sample(keys(2)).block_until_ready()
    jax.effects_barrier()
    assert sorted(told) == [(done, 203) for done in [*range(4, 203, 4), 203]]


def test_images_have_the_dtype_of_the_times():
    with jax.enable_x64(True):
        model = closed_form.gaussian_data(CHAIN)
        got = chain.sample(
            model, ancestral.step, jnp.asarray(TIMES), keys(1), closed_form.SHAPE
        )
        assert got.dtype == jnp.float64
