"""The values that a field may have, and what an error says of others."""

import math

import pytest

from ddpm_jax.core.limits import LARGEST_INT, Limits

BETWEEN = {"at_least": 0.0, "at_most": 1.0}


@pytest.mark.parametrize(
    "limits, inside, outside, said",
    [
        ({"at_least": 2}, (2, 3.5), (1, -math.inf), "write 2 or more"),
        ({"above": 0.0}, (1e-9, 5), (0.0, -1), "write a number above 0"),
        (BETWEEN, (0.0, 1), (-0.1, 1.1), "write a number in [0, 1]"),
        ({"at_least": 0, "below": 1}, (0.0,), (1, 2), "write a number in [0, 1)"),
        ({"above": 0, "at_most": 1}, (1,), (0,), "write a number in (0, 1]"),
        ({"above": 0, "below": 1}, (0.5,), (0, 1), "write a number in (0, 1)"),
        ({"at_most": 7.5}, (-99, 7.5), (8,), "write a number in (-inf, 7.5]"),
        ({"below": 7}, (-99,), (7,), "write a number in (-inf, 7)"),
        (
            {"finite": True},
            (1e300,),
            (math.inf, -math.inf),
            "write a number in (-inf, inf)",
        ),
        ({"above": 0, "remedy": "write a rate"}, (1,), (-1,), "write a rate"),
    ],
)
def test_a_range_holds_its_ends_and_is_told_in_words(limits, inside, outside, said):
    own = Limits(**limits)
    for value in inside:
        own.check("x", value)
        own.check("x", (value, value))
    for value in (*outside, math.nan):
        with pytest.raises(ValueError) as error:
            own.check("x", value)
        assert str(error.value) == f"x = {value}: {said}."
        with pytest.raises(ValueError) as error:
            own.check("x", (inside[0], value))
        assert str(error.value) == f"x = {(inside[0], value)}: {said}."


def test_no_limits_let_all_but_nan_pass():
    for value in ("text", "", (), True, -(10**30), math.inf, (1, -2.5)):
        Limits().check("x", value)
    with pytest.raises(ValueError, match="x = nan: write a number"):
        Limits().check("x", math.nan)


def test_an_empty_tuple_is_in_every_range():
    Limits(above=0.0, one_of=(3,)).check("x", ())


@pytest.mark.parametrize("known", [("net", "none"), {"none": 1, "net": 2}])
def test_one_of_some_values_is_named_or_guessed(known):
    own = Limits(one_of=known)
    own.check("x", "net")
    own.check("x", ("none", "net"))
    for value in ("nett", ("net", "nett")):
        with pytest.raises(ValueError) as error:
            own.check("x", value)
        assert str(error.value).startswith(
            f"x = {value!r} is not one of ['net', 'none']."
        )
    with pytest.raises(ValueError, match="Did you mean 'net'"):
        own.check("x", "nett")


def test_a_count_is_no_larger_than_32_bits_hold_and_a_seed_may_be():
    own = Limits(at_least=1)
    own.check("x", LARGEST_INT)
    own.check("x", 1e30)
    for value in (LARGEST_INT + 1, (1, LARGEST_INT + 1)):
        with pytest.raises(ValueError, match=rf": write at most {LARGEST_INT}\.$"):
            own.check("x", value)
    Limits().check("x", LARGEST_INT + 1)
    Limits(at_least=0, at_most=2**64 - 1).check("x", 2**64 - 1)
