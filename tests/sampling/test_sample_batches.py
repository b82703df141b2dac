"""Samples by number: the same in any batch, on any devices, from one program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.core import sharding
from ddpm_jax.models import build
from ddpm_jax.sampling import guides, rollout, sample_batches, snapshots
from tests import tiny
from tests.sampling import guided

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.mark.parametrize("size", [8, 16])
def test_a_batch_says_which_class_each_sample_was_drawn_for(told, size):
    c = guided.config(sample__batch_size=size)
    batches = sample_batches.Batches(c, told.mesh, told.model, guides.of(c, told))
    found = np.concatenate([batches.draw(told.params, i).labels for i in (0, size)])
    np.testing.assert_array_equal(found, guided.labels_of(10)(np.arange(2 * size)))
    assert batches._compiled._cache_size() == 1


def drawn(**changes):
    c = tiny.config(**changes)
    model = build.model(c, build.source(c, "test"))
    params = jax.jit(model.init)(jax.random.key(0))
    mesh = sharding.make_mesh(c.parallel.fsdp)
    return snapshots.first(c, sample_batches.Batches(c, mesh, model), params)


@pytest.mark.parametrize("sampler", ["ancestral", "unipc"])
def test_a_sample_depends_on_its_number_alone(sampler):
    few = drawn(sample__sampler=sampler, sample__num_samples=9, sample__batch_size=8)
    many = drawn(sample__sampler=sampler, sample__num_samples=20, sample__batch_size=16)
    assert few.shape == (9, 8, 8, 1) and few.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:9])
    assert len({image.tobytes() for image in many}) == 20
    assert many.max() <= 16


def test_another_seed_draws_other_samples():
    assert not np.array_equal(drawn(), drawn(seed=1))


def test_the_last_numbers_there_are_can_be_drawn(told):
    c = guided.config(sample__batch_size=24)
    batches = sample_batches.Batches(c, told.mesh, told.model, guides.of(c, told))
    # Of a batch of 24, nine have a number and the others are padding.
    labels = batches.draw(told.params, 2**31 - 9).labels
    numbers = np.arange(2**31 - 9, 2**31)
    np.testing.assert_array_equal(labels[:9], guided.labels_of(10)(numbers))


@pytest.mark.parametrize(
    "done, starts", [(0, [0, 8, 16]), (7, [0, 8, 16]), (8, [8, 16])]
)
def test_what_is_there_is_not_drawn_again_but_its_batch_is_whole(done, starts):
    c = tiny.config(sample__num_samples=20, sample__batch_size=8)

    class Told(sample_batches.Batches):
        def __init__(self):
            pass

        def draw(self, params, first, bar):
            return params, first

    found = list(sample_batches.remaining(c, Told(), "params", done))
    assert found == [(start, ("params", start)) for start in starts]


@pytest.mark.parametrize("num, size", [(1, 8), (8, 8), (9, 16)])
def test_a_few_are_as_many_on_each_device_and_the_config_stays(num, size):
    c = tiny.config(sample__batch_size=64)
    assert sample_batches.with_small_batch(c, num).sample.batch_size == size
    assert c.sample.batch_size == 64


def test_the_way_and_the_decoder_draw_from_streams_of_their_own(plain, monkeypatch):
    def make(*_):
        def draw(diffusion, keys, end_keys, progress, numbers):
            pixels = jnp.stack([random_values(keys), random_values(end_keys)], axis=1)
            num = keys.shape[0]
            return rollout.Samples(
                pixels[:, None, :, None], jnp.ones(num, bool), jnp.zeros(num, int), None
            )

        return draw

    def random_values(keys):
        return jax.vmap(lambda key: jax.random.bits(key, (), jnp.uint8))(keys)

    monkeypatch.setattr(sample_batches.rollout, "make", make)
    batches = sample_batches.Batches(tiny.config(seed=4), plain.mesh, plain.model)
    found = batches.draw(plain.params, 16).pixels[:, 0, :, 0]
    for column, stream in enumerate((5, 10)):
        root = jax.random.fold_in(jax.random.key(4), stream)
        keys = [jax.random.fold_in(root, number) for number in range(16, 24)]
        wanted = [int(jax.random.bits(key, (), jnp.uint8)) for key in keys]
        np.testing.assert_array_equal(found[:, column], wanted)


def test_a_solver_that_does_not_arrive_says_how_many_and_from_where(plain):
    c = tiny.config(sample__sampler="ode", sample__ode__max_steps=1)
    batches = sample_batches.Batches(c, plain.mesh, plain.model)
    message = r"max_steps = 1: 8 of the 8 samples from number 16 on need more"
    with pytest.raises(sample_batches.NotConvergedError, match=message):
        batches.draw(plain.params, 16)
