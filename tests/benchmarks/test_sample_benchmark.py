import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import bare_step, sample
from ddpm_jax.diffusion.samplers import ddim, loop
from ddpm_jax.nets.unet import UNet


def tiny():
    return UNet(
        out_channels=3,
        base_features=8,
        feature_mults=(1,),
        blocks_per_level=1,
        num_groups=4,
    )


@pytest.mark.parametrize("name", sample.SAMPLERS)
def test_every_sampler_asks_as_often_as_the_network_alone_is_run(name):
    sampler, num_times = sample.SAMPLERS[name]
    plan = sampler.plan(sample.LOG_SNR, sample.uniform(num_times))
    # The question at the last time is the loop's own.
    assert plan.t.shape[0] + 1 == sample.NUM_QUESTIONS


@pytest.mark.long
def test_peak_does_not_grow_with_the_times_but_does_with_a_film():
    few, many = (sample.peak(tiny(), 2, n) for n in (10, 1000))
    film = sample.peak(tiny(), 2, 1000, num_frames=1000)
    images = 2 * 1000 * 2 * np.prod(bare_step.IMAGE_SHAPE) * 4
    assert many < 1.05 * few
    assert film > few + images


@pytest.mark.long
def test_first_batch_compiles_one_program_and_the_others_none():
    found = sample.compiled_by_batches(
        tiny(), sample.make_params(tiny()), ddim.make(), num_times=3, batch_size=2
    )
    assert found["programs_by_batch"] == [1, 0, 0]


def test_compilations_are_counted():
    x = jnp.zeros(3)
    with sample.compilations() as found:
        for n in (2.0, 3.0):
            jax.jit(lambda x, n=n: x * n + 1.0)(x)
    assert len(found) == 2


@pytest.mark.long
def test_given_latents_are_those_drawn():
    net = tiny()
    params, index = sample.make_params(net), sample.numbers(2)
    draw = sample.make_draw(net, ddim.make(), sample.uniform(3))
    keys = sample.example_keys(sample.stream_key(0, sample.Stream.SAMPLE), index)
    z_1 = loop.first_latent(keys, bare_step.IMAGE_SHAPE, jnp.float32)
    drawn, _ = draw(params, index)
    given, _ = draw(params, index, z_1)
    assert np.std(drawn) > 0.1
    np.testing.assert_allclose(drawn, given, atol=1e-5)


def test_peer_draws_the_same_images():
    pytest.importorskip("diffusers")
    from benchmarks import peer_sampling

    net = bare_step.make_net()
    # The network of `make_params` attends: the peer's heads count.
    params = sample.make_params(net)
    draw = jax.jit(sample.make_draw(net, ddim.make(), sample.peers_times(4)))
    theirs = peer_sampling.Runner(params, batch_size=1, num_steps=4)
    ours, _ = draw(params, sample.numbers(1), theirs.first_latent())
    # x_hat at the first time is 1/alpha = 17 times as uncertain as eps_hat.
    apart = np.abs(ours - theirs())
    assert np.mean(apart) < 1e-4
