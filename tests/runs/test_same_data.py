"""Runs of the same data, and of other data."""

import dataclasses

import pytest

from ddpm_jax.config import schema
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.data import run_data
from ddpm_jax.runs import same_data
from tests import tiny


def another(leaf):
    """A value that is not the field's default, of its type."""
    value = leaf.default
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, 3)
    return f"{value} too" if isinstance(value, str) else value + 1


OF_X = {
    "data.name",
    "data.image_size",
    "data.center_crop",
    "data.channels",
    "data.stride",
    "decoder.name",
}


@pytest.mark.parametrize("field", sorted(schema.leaves()))
def test_another_runs_data_is_the_same_unless_what_makes_x_differs(field):
    ours, theirs = schema.default(), schema.default()
    with theirs.unlocked():
        theirs.update_from_flattened_dict({field: another(schema.leaves()[field])})
    if field not in OF_X:
        same_data.check("config.a.b = 'c'", ours, theirs)
        return
    message = rf"^config.a.b = 'c' is of other data: config.{field} is .* there and"
    with pytest.raises(ConfigError, match=message) as error:
        same_data.check("config.a.b = 'c'", ours, theirs)
    said = str(error.value)
    assert (
        f"{flat(theirs)[field]!r} there" in said
        and f"{flat(ours)[field]!r} here" in said
    )


FOLDER = {"name": "folder:/a", "version": "1", "split": "train", "num_examples": 3}


def folder_data(**identity):
    found = {**FOLDER, **identity}
    return run_data.RunData(
        *(found["name"], (8, 8, 1), 17, ("cat", "dog")),
        {"train": found},
        lambda _: None,
    )


def test_runs_of_one_folder_in_two_places_have_the_same_data():
    ours, theirs = (
        tiny.config(data__name=f"folder:/{place}", data__image_size=8) for place in "ab"
    )

    def check(our_identity, their_identity, ours=ours, theirs=theirs):
        same_data.check(
            *("config.a", ours, theirs),
            folder_data(**our_identity),
            folder_data(**their_identity),
        )

    there = {"name": "folder:/b"}
    check({"contents": "1"}, {"contents": "1", **there})
    for identities in (({}, there), ({"contents": "1"}, there)):
        with pytest.raises(
            ConfigError, match=r"config\.data\.name is 'folder:/b' there"
        ):
            check(*identities)
    with pytest.raises(ConfigError, match=r"config\.data\.name is 'folder:/b' there"):
        check({"contents": "1"}, {"contents": "2", **there})
    with pytest.raises(
        ConfigError, match=r"^config.a is of other data \(its contents are"
    ):
        check({"contents": "1"}, {"contents": "2"}, theirs=ours)
    accepting = tiny.config(data__name="folder:/a", data__accept_changes=True)
    same = tiny.config(data__name="folder:/a")
    check({"contents": "1"}, {"contents": "2"}, ours=accepting, theirs=same)


def test_classes_of_two_runs_have_the_same_names_and_numbers():
    ours, theirs = folder_data(), folder_data()
    same_data.check_classes("config.a", tiny.config(), ours, theirs)
    zebra = dataclasses.replace(theirs, class_names=("cat", "zebra"))
    message = (
        r"^config.a has other classes: 1 is 'zebra' there and 'dog' here\. Train it"
    )
    with pytest.raises(ConfigError, match=message):
        same_data.check_classes("config.a", tiny.config(), ours, zebra)
    accepting = tiny.config(data__accept_changes=True)
    same_data.check_classes("config.a", accepting, ours, zebra)
