"""Too many bad steps in a row: when, and which steps are named."""

import jax.numpy as jnp
import pytest

from ddpm_jax.training import nonfinite


def test_it_fails_once_there_are_as_many_as_may_be():
    nonfinite.check(9, jnp.int32(0), 3)
    nonfinite.check(9, jnp.int32(2), 3)
    with pytest.raises(nonfinite.NonFiniteError, match=r"steps 7 to 9, 3 in a row"):
        nonfinite.check(9, jnp.int32(3), 3)
    with pytest.raises(nonfinite.NonFiniteError, match=r"steps 9 to 9, 1 in a row"):
        nonfinite.check(9, jnp.int32(1), 1)


def test_a_copy_of_the_count_on_each_device_counts_once():
    nonfinite.check(9, jnp.full(4, 2, jnp.int32), 3)
    with pytest.raises(nonfinite.NonFiniteError, match="max_skipped = 2"):
        nonfinite.check(9, jnp.full(4, 2, jnp.int32), 2)
