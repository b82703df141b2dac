"""Errors of what a user wrote: one line, and what would work."""

import pytest

from ddpm_jax.core import errors
from ddpm_jax.core.errors import ConfigError


def test_a_choice_is_looked_up_or_corrected():
    table = {"cosine": 1, "linear_beta": 2}
    assert errors.choose(table, "cosine", "schedule.name") == 1
    with pytest.raises(ConfigError) as error:
        errors.choose(table, "cosin", "schedule.name")
    assert str(error.value) == (
        "config.schedule.name = 'cosin' is not one of ['cosine', 'linear_beta']."
        " Did you mean 'cosine'?"
    )


def test_a_choice_like_nothing_gets_no_guess():
    with pytest.raises(ConfigError, match=r"\['a'\]\.$"):
        errors.choose({"a": 1}, "zzzzz", "x")


def test_errors_of_what_is_built_are_the_users():
    with (
        pytest.raises(ConfigError, match="too many"),
        errors.as_config_errors(),
    ):
        raise ValueError("too many")


def test_a_flag_is_named_as_it_is_written():
    with pytest.raises(
        ConfigError, match=r"^--mode = 'tran' is not one of \['train'\]"
    ):
        errors.choose({"train": 1}, "tran", "--mode")


def test_an_error_of_the_config_stays_as_it_is_and_another_kind_passes():
    first = ConfigError("this")
    with pytest.raises(ConfigError) as error, errors.as_config_errors():
        raise first
    assert error.value is first
    with pytest.raises(KeyError), errors.as_config_errors():
        raise KeyError("that")


def test_nested_groups_become_flat_and_lists_tuples():
    nested = {"a": 1, "b": {"c": [1, 2], "d": {"e": None}}, "f": {}}
    assert errors.flat(nested) == {"a": 1, "b.c": (1, 2), "b.d.e": None}


def test_a_hint_is_a_sentence_or_nothing():
    assert errors.hint("smaple", ["sample", "train"]) == " Did you mean 'sample'?"
    assert errors.hint("zzz", ["sample"]) == errors.hint("x", []) == ""
