"""Folders of images: classes, splits, order and broken files."""

import io
import logging
import os

import numpy as np
import pytest
from PIL import Image

from ddpm_jax.data import changes, folder, table
from ddpm_jax.pictures import image_files
from tests.core import test_image_reader
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


def told(caplog, *make):
    """The lines that opening splits logs."""
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="absl"):
        for path, split in make:
            table.make(f"folder:{path}", split)
    return caplog.messages


def test_training_and_validation_folders_are_splits_and_told(tmp_path, caplog):
    for split in ("train", "val"):
        for label, name in enumerate(("cat", "dog")):
            for i in range(20):
                value = 80 * (split == "val") + 40 * label + i
                write(tmp_path / split / name / f"{i}.png", value=value)
    lines = told(caplog, (tmp_path, "train"), (tmp_path, "test"), (tmp_path, "val"))
    assert lines == [
        f"folder:{tmp_path}: 80 images (train 40, val 40); 2 classes (cat 40, dog 40); 6x6"
        " pixels",
        f"folder:{tmp_path}: the split 'test' is its folder 'val'",
    ]
    train, test = (table.make(f"folder:{tmp_path}", s) for s in ("train", "test"))
    assert (len(train), len(test)) == (40, 40)
    assert train.class_names == test.class_names == ("cat", "dog")
    assert sorted(contents(test)) == [*range(80, 100), *range(120, 140)]
    assert [test[i]["label"] for i in (0, 19, 20, 39)] == [0, 0, 1, 1]
    assert test.identity["split"] == "val"


def test_files_left_out_and_sizes_are_told(tmp_path, caplog):
    for i in range(20):
        write(tmp_path / f"{i}.png", (6, 7, 3), value=i)
    for i in range(30):
        data = encoded(np.full((9, 9, 3), i, np.uint8), "jpeg")
        (tmp_path / f"{i}.jfif").write_bytes(data)
    for i in range(5):
        (tmp_path / f"{i}.tga").write_bytes(b"")
    (line,) = told(caplog, (tmp_path, "train"))
    assert line.startswith(f"folder:{tmp_path}: 50 images (train 4")
    assert line.endswith("; 6x7 to 9x9 pixels; left out 5 .tga files (such as 0.tga)")


def test_a_folder_of_unknown_files_alone_says_which_there_are(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"no image .* but 1 \.heic files \(such as a\."
    ):
        table.make(f"folder:{tmp_path}", "train")


def test_copies_in_both_splits_are_counted_and_told(tmp_path, caplog):
    for i in range(4):
        write(tmp_path / "train" / "a" / f"{i}.png", value=i)
        write(tmp_path / "test" / "a" / f"{i}.png", value=3 - i + 2)
    _, line = told(caplog, (tmp_path, "test"))
    assert line == (
        f"folder:{tmp_path}: 2 images of 'test' are in 'train' too (such as a/2.png, there"
        " a/3.png)"
    )


def test_files_of_several_images_and_many_classes_are_told(tmp_path, caplog):
    for i in range(14):
        write(tmp_path / f"{i:02}" / "1.png", value=i)
    several = io.BytesIO()
    frames = [Image.fromarray(np.full((6, 6), v, np.uint8)) for v in (0, 200)]
    frames[0].save(several, "gif", save_all=True, append_images=frames[1:])
    (tmp_path / "03" / "2.gif").write_bytes(several.getvalue())
    line, remark = told(caplog, (tmp_path, "train"))
    assert "14 classes (00 1, 01 1, 02 1, 03 2, 04 1" in line
    assert "09 1, and 4 more)" in line
    assert remark.endswith(
        ": 1 files hold several images (such as 03/2.gif), of which the first is taken"
    )


def test_an_image_is_upright_as_it_is_for_edits(tmp_path):
    letter = test_image_reader.LETTER
    for split in ("train", "test"):
        path = tmp_path / split / "1.png"
        path.parent.mkdir()
        path.write_bytes(test_image_reader.turned(6))
    source = table.make(f"folder:{tmp_path}", "train", channels=1)
    np.testing.assert_array_equal(source[0]["image"], letter[..., None])
    edit = image_files.read(tmp_path / "train" / "1.png", (5, 3, 1), 256, "field")
    np.testing.assert_array_equal(source[0]["image"], edit)


def test_classes_that_are_called_like_splits_can_be_named_so(tmp_path):
    for i in range(30):
        for name in ("train", "plane"):
            write(tmp_path / name / f"{i}.png", value=i)
    with pytest.raises(
        ValueError, match=r"write config\.data\.folder\.splits = 'hashed'"
    ):
        table.make(f"folder:{tmp_path}", "train")
    options = table.FolderOptions(splits="hashed")
    source = table.make(f"folder:{tmp_path}", "train", options=options)
    assert source.class_names == ("plane", "train")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    write(tmp_path / "a" / "1.png")

    def forbidden(place):
        raise PermissionError(13, "Permission denied", place)

    monkeypatch.setattr(folder.listing.os, "scandir", forbidden)
    with pytest.raises(
        ValueError, match=r"cannot be listed \(Permission denied\): mend"
    ):
        table.make(f"folder:{tmp_path}", "train")


def test_the_contents_tell_other_classes_and_other_images_apart(tmp_path):
    write(tmp_path / "train" / "cat" / "1.png", value=1)
    write(tmp_path / "train" / "dog" / "2.png", value=2)
    write(tmp_path / "test" / "cat" / "3.png", value=3)

    def identities():
        return [
            dict(table.make(f"folder:{tmp_path}", s).identity)
            for s in ("train", "test")
        ]

    before = identities()
    assert identities() == before
    (tmp_path / "train" / "cat").rename(tmp_path / "train" / "zebra")
    renamed = identities()
    # Labels of the test images change with the classes of training.
    assert all(
        a["contents"] != b["contents"] for a, b in zip(before, renamed, strict=True)
    )
    (tmp_path / "train" / "zebra").rename(tmp_path / "train" / "cat")
    write(tmp_path / "train" / "dog" / "2.png", value=9)
    train, test = identities()
    assert train["contents"] != before[0]["contents"] and test == before[1]
    assert train["version"] == before[0]["version"]


def test_a_name_that_is_no_utf_8_is_read(tmp_path):
    for i in range(30):
        write(tmp_path / f"{i}.png", value=i)
        (tmp_path / f"{i}.png").rename(
            os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9%d.png" % i)
        )
    sources = [table.make(f"folder:{tmp_path}", split) for split in ("train", "test")]
    assert sorted(contents(sources[0]) + contents(sources[1])) == [*range(30)]


def test_what_is_skipped_is_still_among_the_contents(image_folder):
    """So that a run that met a broken file goes on without it, of the same data."""
    name = f"folder:{image_folder}"
    whole, skipping = (table.make(name, "train", skip_broken=s) for s in (False, True))
    assert len(whole) == len(skipping) + 1 == whole.identity["num_examples"]
    assert skipping.identity["num_examples"] == len(skipping)
    states = changes.state_of(whole), changes.state_of(skipping)
    assert changes.between(*states) == []
    assert whole.identity["version"] != skipping.identity["version"]
