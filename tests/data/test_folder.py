"""Folders of images: classes, splits, order and broken files."""

import logging

import numpy as np
import pytest

from ddpm_jax.data import table
from tests.data.conftest import encoded


def write(path, shape=(6, 6, 3), value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(np.full(shape, value, np.uint8)))


def contents(source):
    """Each image's top left value, which the fixture sets to its number."""
    return [int(source[i]["image"][0, 0, 0]) for i in range(len(source))]


def test_every_image_is_in_one_split_in_the_order_of_paths(image_folder):
    splits = {
        split: contents(table.make(f"folder:{image_folder}", split, skip_broken=True))
        for split in ("train", "test")
    }
    assert sorted(splits["train"] + splits["test"]) == [i for i in range(60) if i != 17]
    assert 1 <= len(splits["test"]) <= 15
    for numbers in splits.values():
        assert numbers == sorted(numbers, key=lambda i: ("ab"[i % 2], i))


def test_the_class_is_the_sub_folder(image_folder):
    source = table.make(f"folder:{image_folder}", "train", skip_broken=True)
    assert [source[i]["label"] for i in range(len(source))] == [
        number % 2 for number in contents(source)
    ]


def test_an_image_stays_in_its_split_when_others_go(image_folder):
    name = f"folder:{image_folder}"
    before = contents(table.make(name, "test", skip_broken=True))
    for i in range(0, 14, 2):
        (image_folder / "a" / f"{i:03}.png").unlink()
    after = contents(table.make(name, "test", skip_broken=True))
    assert after == [i for i in before if i % 2 == 1 or i >= 14]


def test_the_version_tells_other_files_apart(image_folder):
    def version():
        source = table.make(f"folder:{image_folder}", "train", skip_broken=True)
        return source.identity["version"]

    before = version()
    assert version() == before
    for i in range(60, 70):
        write(image_folder / "a" / f"{i}.png")
    assert version() != before


def test_a_broken_image_is_named(image_folder):
    source = table.make(f"folder:{image_folder}", "train")
    with pytest.raises(
        ValueError, match=r"config\.data\.name.*b/017\.png.*skip_broken"
    ):
        contents(source)


def test_broken_images_are_named_counted_and_skipped(image_folder, caplog):
    (image_folder / "a" / "999.jpg").write_bytes(b"no image")
    with caplog.at_level(logging.INFO, logger="absl"):
        num_images = sum(
            len(table.make(f"folder:{image_folder}", split, skip_broken=True))
            for split in ("train", "test")
        )
    assert num_images == 59
    assert "b/017.png" in caplog.text
    assert "a/999.jpg" in caplog.text
    counted = [
        int(r.getMessage().split()[0]) for r in caplog.records if "skipped" in r.msg
    ]
    assert sum(counted) == 2


def test_train_and_test_folders_are_the_splits(tmp_path):
    write(tmp_path / "train" / "cat" / "1.png", value=1)
    write(tmp_path / "train" / "zebra" / "2.png", value=2)
    write(tmp_path / "test" / "zebra" / "3.PNG", value=3)
    write(tmp_path / "test" / "zebra" / ".hidden.png", value=4)
    (tmp_path / "test" / "zebra" / "notes.txt").write_text("not an image")
    train, test = (table.make(f"folder:{tmp_path}", s) for s in ("train", "test"))
    assert (contents(train), contents(test)) == ([1, 2], [3])
    assert [train[0]["label"], train[1]["label"], test[0]["label"]] == [0, 1, 1]


def test_sizes_must_agree_or_be_set(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / split / "a" / "1.png", (6, 6, 3))
        write(tmp_path / split / "a" / "2.png", (9, 7, 3))
    name = f"folder:{tmp_path}"
    source = table.make(name, "train")
    assert source.shape == source[0]["image"].shape
    with pytest.raises(ValueError, match=r"image_size.*a/2\.png is 9x7 where.*6x6"):
        source[1]
    source = table.make(name, "train", image_size=4, channels=1)
    assert source.shape == source[0]["image"].shape == source[1]["image"].shape
    assert source.shape == (4, 4, 1)
    assert "4x4, lanczos" in source.identity["resizing"]


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        ([], "train", "no image .* below"),
        (
            ["train/a/1.png"],
            "train",
            "holds 'train' alone: add.*or write folder:.*train",
        ),
        (["a/1.png"], "train", "no image of the split 'train' is left"),
        (["a/1.png"], "validation", "eval_split = 'validation'.*'train' and 'test'"),
    ],
)
def test_what_a_folder_lacks_is_said(tmp_path, files, split, message):
    for file in files:
        write(tmp_path / file)
    with pytest.raises(ValueError, match=message):
        table.make(f"folder:{tmp_path}", split)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"config\.data\.name = .*there is no folder"):
        table.make(f"folder:{tmp_path}/nowhere", "train")


def test_there_are_as_many_classes_as_sub_folders(tmp_path):
    write(tmp_path / "train" / "cat" / "1.png")
    write(tmp_path / "train" / "cat" / "2.png")
    write(tmp_path / "train" / "zebra" / "2.png")
    write(tmp_path / "test" / "newt" / "3.png")
    # Both splits number the classes of both.
    train, test = (table.make(f"folder:{tmp_path}", s) for s in ("train", "test"))
    assert train.num_classes == test.num_classes == 3
    assert [train[i]["label"] for i in range(3)] == [0, 0, 2]
    assert test[0]["label"] == 1


def test_images_that_lie_together_have_no_classes(tmp_path):
    for i in range(30):
        write(tmp_path / f"{i}.png")
    for split in ("train", "test"):
        source = table.make(f"folder:{tmp_path}", split)
        assert source.num_classes == 0 and source[0]["label"] == 0
