"""A network on a schedule: what it is told of time, classes and numbers, and when."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.diffusion.process import schedules
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.models import backbone
from ddpm_jax.models.backbone import Backbone, Conditioning
from tests import tiny
from tests.models.test_build import model_of


def test_the_network_sees_the_index_or_a_scale_of_its_own():
    seen = []

    class Spy(nn.Module):
        def apply(self, variables, images, time, train):
            seen.append(np.asarray(time))
            return images

    for scale, wanted in ((0.0, [0.0, 9.0]), (999.75, [0.0, 999.75])):
        _, model = model_of(model__time_scale=scale)
        spied = dataclasses.replace(model, network=Spy())
        spied.bind({"net": {}}).denoise(jnp.zeros((2, 8, 8, 1)), jnp.array([0.0, 1.0]))
        np.testing.assert_allclose(seen[-1], wanted)


class Teller(nn.Module):
    """Puts out what it is told: time, the first number and label of each example."""

    @nn.compact
    def __call__(self, images, time, numbers=None, labels=None, *, train):
        def told(value):
            return jnp.full(time.shape, -7.0) if value is None else value

        first = told(None if numbers is None else numbers[:, 0])
        noise = jax.random.uniform(self.make_rng("dropout")) if train else 0.0
        return jnp.stack([time, first, told(labels), 0.0 * time + noise], axis=1)


LINE = schedules.linear_log_snr(-6.0, 10.0)


def made(**changes):
    given = dict(
        network=Teller(),
        schedule=LINE,
        pixel_decoder=DiscretizedGaussian(17),
        num_steps=0,
        time_input=backbone.by_time,
        log_snr_bounds=None,
        time_scale=1000.0,
        shape=(8, 8, 1),
        num_classes=0,
    )
    return Backbone(**(given | changes))


def output(conditioning=backbone.NO_CONDITIONING, keys=None, num=4):
    images, time = jnp.zeros((num, 8, 8, 1)), jnp.arange(float(num))
    return np.asarray(made().output({}, images, time, conditioning, keys))


def test_a_network_is_told_what_there_is_and_nothing_else():
    time, *rest = output().T
    np.testing.assert_array_equal(time, np.arange(4))
    np.testing.assert_array_equal(rest, [[-7.0] * 4, [-7.0] * 4, [0.0] * 4])
    numbers, labels = jnp.arange(10.0, 14.0)[:, None], jnp.array([3, -1, 0, 9])
    found = output(Conditioning(numbers, labels))
    np.testing.assert_array_equal(found[:, 1], numbers[:, 0])
    np.testing.assert_array_equal(found[:, 2], labels)
    np.testing.assert_array_equal(output(Conditioning(labels=labels))[:, 1], -7.0)


def test_in_training_each_example_has_its_own_dropout_numbers_and_class():
    keys = jax.random.split(jax.random.key(0), 4)
    given = Conditioning(jnp.arange(4.0)[:, None], jnp.array([3, -1, 0, 9]))
    found = output(given, keys)
    np.testing.assert_array_equal(found[:, :3], output(given)[:, :3])
    assert len(set(found[:, 3])) == 4
    np.testing.assert_array_equal(output(given, keys[::-1])[:, 3], found[::-1, 3])


def test_part_of_a_batch_takes_its_own_numbers_and_classes():
    given = Conditioning(jnp.arange(4.0)[:, None], jnp.array([3, -1, 0, 9]))
    part = given.take(jnp.array([2, 0]))
    np.testing.assert_array_equal(part.numbers, [[2.0], [0.0]])
    np.testing.assert_array_equal(part.labels, [0, 3])
    assert backbone.NO_CONDITIONING.take(jnp.array([0])) == (None, None)


def test_time_is_told_as_itself_or_as_the_way_in_log_snr():
    t, at = jnp.array([0.0, 0.25, 1.0]), jnp.array([10.0, 6.0, -6.0])
    np.testing.assert_array_equal(made().time({})(t, at), 1000.0 * t)
    by_log_snr = made(time_input=backbone.by_log_snr, time_scale=10.0)
    # Of the schedule's own ends, from the highest log SNR to the lowest.
    np.testing.assert_allclose(by_log_snr.time({})(t, at), [0.0, 2.5, 10.0], rtol=1e-6)
    within = dataclasses.replace(by_log_snr, log_snr_bounds=(-10.0, 30.0))
    np.testing.assert_allclose(within.time({})(t, at), [5.0, 6.0, 9.0], rtol=1e-6)


class Slope(nn.Module):
    """A schedule of one parameter."""

    @nn.compact
    def __call__(self, t):
        return 5.0 - self.param("slope", nn.initializers.constant(8.0), ()) * t


def test_a_learned_schedule_has_parameters_beside_the_networks_and_a_fixed_one_none():
    key = jax.random.key(0)
    fixed = made(network=tiny.Network(1))
    assert fixed.init(key).keys() == {"net"} and fixed.init_schedule(key) == {}
    learned = dataclasses.replace(fixed, schedule=Slope())
    params = learned.init(key)
    assert params.keys() == {"net", "schedule"}
    assert (
        params["schedule"] == learned.init_schedule(key)["schedule"] == {"slope": 8.0}
    )
    moved = {"schedule": {"slope": jnp.float32(4.0)}}
    assert learned.log_snr(params)(jnp.float32(0.5)) == 1.0
    assert learned.log_snr(moved)(jnp.float32(0.5)) == 3.0
    assert fixed.log_snr(params) is LINE.log_snr
