import pytest

from ddpm_jax.core import loaded_plugins


@pytest.fixture(autouse=True)
def as_before():
    before = loaded_plugins.hashes()
    yield
    loaded_plugins.replace(before)


def test_there_is_no_trace_where_there_are_none():
    loaded_plugins.replace({})
    assert loaded_plugins.hashes() == {} == loaded_plugins.identity()


def test_hashes_are_those_of_the_last_and_a_copy():
    loaded_plugins.replace({"a": "1"})
    loaded_plugins.replace({"b": "2", "c": "3"})
    loaded_plugins.hashes()["d"] = "4"
    assert loaded_plugins.hashes() == {"b": "2", "c": "3"}
    assert loaded_plugins.identity() == {"plugins": {"b": "2", "c": "3"}}
