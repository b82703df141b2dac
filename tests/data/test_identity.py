"""Which identities are of the same images."""

import pytest

from ddpm_jax.data import identity

OLD = {"name": "folder:/a", "version": "1", "split": "train", "num_examples": 3}
NEW = {**OLD, "contents": "abc"}


@pytest.mark.parametrize(
    ("ours", "theirs", "fields"),
    [
        (NEW, NEW, []),
        (NEW, {**NEW, "name": "folder:/b"}, []),
        (NEW, {**NEW, "name": "tfds:a"}, ["name"]),
        (NEW, {**NEW, "contents": "def"}, ["contents"]),
        (NEW, {**NEW, "name": "folder:/b", "contents": "def"}, ["name", "contents"]),
        (NEW, {**NEW, "split": "test"}, ["split"]),
        (NEW, OLD, []),
        (OLD, {**OLD, "name": "folder:/b"}, ["name"]),
        (NEW, {**OLD, "name": "folder:/b"}, ["name"]),
        (NEW, {**OLD, "version": "2"}, ["version"]),
        (NEW, {**NEW, "licence": "free"}, ["licence"]),
    ],
)
def test_identities_differ_in_what_makes_other_images(ours, theirs, fields):
    there_and_back = [
        identity.differences(ours, theirs),
        identity.differences(theirs, ours),
    ]
    for found in there_and_back:
        assert sorted(found) == sorted(fields)
    for field, (here, there) in there_and_back[0].items():
        assert (here, there) == (ours.get(field), theirs.get(field))


def test_one_that_says_nothing_of_contents_is_told():
    assert identity.is_certain(NEW, NEW) and identity.is_certain(OLD, OLD)
    assert not identity.is_certain(NEW, OLD)
