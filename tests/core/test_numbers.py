import pytest

from ddpm_jax.core import numbers


@pytest.mark.parametrize(
    "value, of, expected",
    [(0, 4, 0), (1, 4, 4), (4, 4, 4), (5, 4, 8), (7, 1, 7), (20, 8, 24), (3, 10, 10)],
)
def test_the_next_multiple_is_the_least_that_is_not_below(value, of, expected):
    assert numbers.next_multiple(value, of) == expected
