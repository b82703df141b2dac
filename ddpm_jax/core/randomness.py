"""PRNG keys: every key comes from (seed, stream, step, example) by `fold_in`.

Nothing else enters: not the device, the host, the place in a shard, nor the order in which
things were built. So a resumed run redraws the same numbers, and one device draws what
eight do.
"""

import enum
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from ddpm_jax.core import choice
from ddpm_jax.core.leaf import Belongs

LARGEST_SEED = 2**64 - 1
_WORD = 2**32


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


def seed_option(
    default: int,
    meaning: str,
    *,
    at_least: int = 0,
    belongs: Belongs | None = None,
) -> Any:
    """A field of `Options` that is a seed, any whole number of 64 bits.

    Args:
      default: its value unless a config says another.
      meaning: one line of description.
      at_least: -1 where that stands for another field's seed.
      belongs: as in `choice.option`.
    """
    return choice.option(
        default,
        meaning,
        at_least=at_least,
        at_most=LARGEST_SEED,
        remedy=f"write a whole number from {at_least} to {LARGEST_SEED}, 2^64 - 1",
        belongs=belongs,
    )


def seed_key(seed: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of a seed, to which all its 64 bits count; an array on a device has 32.

    It is the key that `jax.random.key` makes where 64-bit integers are enabled. Without
    them, JAX leaves out the high 32 bits.
    """
    if isinstance(seed, jax.Array):
        return jax.random.key(seed)
    high, low = divmod(seed, _WORD)
    key = jax.random.key(low)
    if not high:
        return key
    # Pairs of words, the high one first: one pair by Threefry, two by RBG.
    words = jax.random.key_data(key).at[::2].set(np.uint32(high))
    return jax.random.wrap_key_data(words)


def stream_key(seed: int | Int[Array, ""], stream: Stream) -> Key[Array, ""]:
    """The root key of one stream."""
    return jax.random.fold_in(seed_key(seed), stream)


def step_key(seed: int, stream: Stream, step: int | Int[Array, ""]) -> Key[Array, ""]:
    """The key of one stream at one training step."""
    return jax.random.fold_in(stream_key(seed, stream), step)


def example_keys(
    key: Key[Array, ""], examples: Int[Array, " batch"] | Int[np.ndarray, " batch"]
) -> Key[Array, " batch"]:
    """One key for each example, from the key and the example's number alone."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, examples)
