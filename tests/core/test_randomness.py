"""Keys: one for each of seed, stream and example, the same for good."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.config import schema
from ddpm_jax.core import choice, randomness
from ddpm_jax.core.errors import ConfigError

SEEDS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 3, 2**63, 2**64 - 1)


def words(key):
    return tuple(jax.random.key_data(key).tolist())


def test_streams_have_their_numbers_for_good():
    # These are part of every run's identity: a changed one breaks resuming.
    assert {s.name: int(s) for s in randomness.Stream} == {
        "INIT": 0,
        "TIME": 1,
        "NOISE": 2,
        "DROPOUT": 3,
        "EVAL": 4,
        "SAMPLE": 5,
        "EVAL_TIMES": 6,
        "PILOT": 7,
        "EVAL_FULL": 8,
        "EVAL_FLOW": 9,
        "SAMPLE_END": 10,
        "VARIANCE": 11,
        "SAMPLE_CLASS": 12,
        "EVAL_OTHER": 13,
    }


def test_a_key_is_that_of_its_seed_stream_and_example():
    seen = set()
    for seed in (0, 1):
        for stream in randomness.Stream:
            root = randomness.stream_key(seed, stream)
            own = jax.random.fold_in(jax.random.key(seed), int(stream))
            assert (
                jax.random.key_data(root).tolist() == jax.random.key_data(own).tolist()
            )
            keys = randomness.example_keys(root, np.arange(3))
            seen |= {tuple(data) for data in jax.random.key_data(keys).tolist()}
    assert len(seen) == 2 * len(randomness.Stream) * 3


def test_an_examples_key_does_not_depend_on_its_batch():
    root = randomness.stream_key(5, randomness.Stream.EVAL)
    whole = randomness.example_keys(root, jnp.arange(6))
    part = randomness.example_keys(root, jnp.array([4, 1]))
    np.testing.assert_array_equal(
        jax.random.key_data(part), jax.random.key_data(whole[jnp.array([4, 1])])
    )


@pytest.mark.parametrize("implementation", ["threefry2x32", "rbg"])
def test_a_seed_of_64_bits_has_the_key_that_jax_gives_with_integers_of_64(
    implementation,
):
    with jax.default_prng_impl(implementation):
        keys = {seed: words(randomness.seed_key(seed)) for seed in SEEDS}
        with jax.enable_x64(True):
            wide = {seed: words(jax.random.key(np.uint64(seed))) for seed in SEEDS}
        # What runs began with before the high word counted.
        narrow = {seed: words(jax.random.key(seed)) for seed in SEEDS if seed < 2**32}
    assert keys == wide
    assert {seed: keys[seed] for seed in narrow} == narrow
    assert len(set(keys.values())) == len(SEEDS)


def test_seeds_that_differ_in_any_bit_share_no_key():
    seeds = [0, *(2**bit for bit in range(64))]
    steps = jnp.arange(3)
    for stream in (randomness.Stream.INIT, randomness.Stream.NOISE):
        roots = {words(randomness.stream_key(seed, stream)) for seed in seeds}
        assert len(roots) == len(seeds)

    def of_step(seed):
        draw = jax.jit(lambda step: randomness.step_key(seed, stream, step))
        return {words(draw(step)) for step in steps}

    own, others = of_step(0), set().union(*(of_step(2**b) for b in (32, 33, 40, 63)))
    # Nor is a seed's high word taken for a stream, or a stream for a step.
    assert len(own) == 3 and len(others) == 12 and not own & others


@pytest.mark.parametrize("seed", [-1, -(2**31), 2**64, 2**70])
def test_a_seed_out_of_range_is_refused_with_the_range(seed):
    with pytest.raises(ConfigError) as error:
        choice.read(schema.Whole, {**schema.default(), "seed": seed}, "config")
    assert str(error.value) == (
        f"config.seed = {seed}: write a whole number from 0 to 18446744073709551615,"
        " 2^64 - 1."
    )
