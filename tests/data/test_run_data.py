"""What a run knows of its data without opening them."""

from ddpm_jax.data import builtin, run_data
from ddpm_jax.data.source import Described


def test_data_are_described_by_a_split_that_is_open():
    asked, test = [], builtin.digits("test")

    def open_split(split):
        asked.append(split)
        return builtin.digits(split)

    data = run_data.of_source(test, "test", open_split)
    assert isinstance(data, Described)
    assert (data.name, data.shape, data.num_values) == ("digits", (8, 8, 1), 17)
    assert data.class_names == tuple("0123456789") and data.num_classes == 10
    assert data.open_split("test") is test and data.identity("test") == test.identity
    assert asked == []
    # What is not known is looked at.
    assert data.identity("train") == builtin.digits("train").identity
    assert asked == ["train"]


def test_a_source_without_names_numbers_its_classes():
    source = builtin.digits("test")
    source.class_names = ()
    assert run_data.of_source(source, "test", lambda _: source).class_names == tuple(
        "0123456789"
    )
    source.num_classes = 0
    assert run_data.of_source(source, "test", lambda _: source).num_classes == 0
