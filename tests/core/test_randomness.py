"""Keys: one for each of seed, stream and example, the same for good."""

import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.core import randomness


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
