"""PRNG keys: every key comes from (seed, stream, step, example) by `fold_in`.

Nothing else enters: not the device, the host, the place in a shard, nor the order in which
things were built. So a resumed run redraws the same numbers, and one device draws what
eight do.
"""

import enum

import jax
import numpy as np
from jaxtyping import Array, Int, Key


class Stream(enum.IntEnum):
    """The consumers of random numbers. A number is part of a run: add, never renumber."""

    INIT = 0
    TIME = 1
    NOISE = 2
    DROPOUT = 3
    EVAL = 4
    SAMPLE = 5
    EVAL_TIMES = 6
    PILOT = 7
    EVAL_FULL = 8
    EVAL_FLOW = 9
    SAMPLE_END = 10
    VARIANCE = 11
    SAMPLE_CLASS = 12
    EVAL_OTHER = 13  # Estimators of plugins, each by its name.


def stream_key(seed: int | Int[Array, ""], stream: Stream) -> Key[Array, ""]:
    """The root key of one stream."""
    return jax.random.fold_in(jax.random.key(seed), stream)


def step_key(seed: int, stream: Stream, step: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of one stream at one training step."""
    return jax.random.fold_in(stream_key(seed, stream), step)


def example_keys(
    key: Key[Array, ""], examples: Int[Array, " batch"] | Int[np.ndarray, " batch"]
) -> Key[Array, " batch"]:
    """One key for each example, from the key and the example's number alone."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, examples)
