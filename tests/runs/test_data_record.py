"""The record of a run's data: what is opened, what may move, and what is told of changes."""

import gzip
import json
import logging

import numpy as np
import pytest
from etils import epath
from PIL import Image

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.models import build
from ddpm_jax.runs import data_record
from tests import tiny


@pytest.fixture
def folder(tmp_path):
    """A folder of two splits with two classes of two images each."""
    root = tmp_path / "data"
    for number, (split, name) in enumerate(
        (split, name) for split in ("train", "test") for name in ("cat", "dog")
    ):
        (root / split / name).mkdir(parents=True)
        for i in range(2):
            put(root / split / name / f"{i}.png", 10 * number + i)
    return root


def put(path, value, shape=(4, 4, 3)):
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def config(root, **changes):
    return tiny.config(data__name=f"folder:{root}", **changes)


def sources(c):
    return {split: build.source(c, split) for split in ("train", "test")}


@pytest.fixture
def workdir(tmp_path, folder):
    """A workdir with a record of the folder."""
    path = epath.Path(tmp_path / "run")
    path.mkdir()
    data_record.remember(path, config(folder), sources(config(folder)))
    return path


def rename_cat(root):
    for split in ("train", "test"):
        (root / split / "cat").rename(root / split / "zebra")


def test_the_record_holds_what_models_need_and_the_identities(workdir, folder):
    record = json.loads((workdir / "data.json").read_text())
    c = config(folder)
    assert record == {
        "name": f"folder:{folder}",
        "shape": [4, 4, 3],
        "num_values": 256,
        "classes": ["cat", "dog"],
        "splits": {split: dict(s.identity) for split, s in sources(c).items()},
        "broken": {},
    }


def test_data_that_are_recorded_are_not_opened(workdir, monkeypatch):
    def opened(*_):
        raise AssertionError("opened")

    monkeypatch.setattr(data_record.build, "source", opened)
    c = config("/nowhere")
    data = data_record.data_of(workdir, c)
    assert (data.shape, data.num_values, data.class_names) == (
        (4, 4, 3),
        256,
        ("cat", "dog"),
    )
    assert data.identity("train")["num_examples"] == 4
    with pytest.raises(AssertionError, match="opened"):
        data.open_split("test")


def test_without_a_record_the_split_to_evaluate_is_opened(tmp_path):
    data = data_record.data_of(epath.Path(tmp_path), tiny.config())
    assert data.name == "digits" and list(data.identities) == ["test"]
    assert len(data.open_split("train")) == 1437
    data_record.check(epath.Path(tmp_path), tiny.config(), {})


def test_the_same_data_are_accepted_wherever_they_are(
    workdir, folder, tmp_path, caplog
):
    moved = folder.rename(tmp_path / "elsewhere")
    c = config(moved)
    with caplog.at_level(logging.INFO, logger="absl"):
        data_record.check(workdir, c, sources(c))
    assert f"have moved: folder:{moved} was folder:{folder}" in caplog.text
    told = []
    data = data_record.data_of(workdir, c, moved=told.append)
    assert len(data.open_split("test")) == 4
    assert data.open_split("test") is data.open_split("test")
    assert told == [f"folder:{moved}"]
    data_record.rename(workdir, told[0])
    assert data_record.data_of(workdir, c).name == f"folder:{moved}"
    data_record.data_of(workdir, c, moved=told.append).open_split("test")
    assert len(told) == 1


CHANGES = {
    "a class renamed": (
        rename_cat,
        r"class 'cat' is called 'zebra'; the label of class 'dog' is 0, not 1\. Put it",
    ),
    "a file more": (
        lambda root: put(root / "test" / "cat" / "9.png", 1),
        r"split 'test'\): 1 file added \(such as cat/9\.png\)",
    ),
    "a file less": (
        lambda root: (root / "train" / "cat" / "1.png").unlink(),
        r"split 'train'\): 1 file removed \(such as cat/1\.png\)",
    ),
    "another image": (
        lambda root: put(root / "train" / "dog" / "0.png", 99),
        r"split 'train'\): 1 file changed \(such as dog/0\.png\)",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_refused_or_accepted_in_one_line(workdir, folder, name, caplog):
    change, message = CHANGES[name]
    change(folder)
    c = config(folder)
    for look in (
        lambda c: data_record.check(workdir, c, sources(c)),
        lambda c: [data_record.open_split(workdir, c, s) for s in ("train", "test")],
    ):
        with pytest.raises(
            ConfigError, match=f"has changed since .*{message}"
        ) as error:
            look(c)
        assert "\n" not in str(error.value)
        assert "--config.data.accept_changes=True" in str(error.value)
        caplog.clear()
        look(config(folder, data__accept_changes=True))
        assert "accepted: config.data.name = " in caplog.text
    # What was accepted is what the run knows from then on.
    data_record.remember(workdir, c, sources(c))
    data_record.check(workdir, c, sources(c))


def test_without_the_list_of_files_a_change_is_told_by_its_kind(workdir, folder):
    put(folder / "train" / "dog" / "0.png", 99)
    c = config(folder)
    (workdir / "data_files.json.gz").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match=r"\): its contents are others\. Put it back"):
        data_record.check(workdir, c, sources(c))
    (workdir / "data_files.json.gz").write_bytes(gzip.compress(b"[]"))
    with pytest.raises(ConfigError, match=r"its contents are others"):
        data_record.check(workdir, c, sources(c))
    (workdir / "data_files.json.gz").unlink()
    with pytest.raises(ConfigError, match=r"its contents are others"):
        data_record.check(workdir, c, sources(c))


def test_of_very_many_files_no_list_is_kept(workdir, folder, monkeypatch):
    monkeypatch.setattr(data_record, "MOST_FILES", 7)
    data_record.remember(workdir, config(folder), sources(config(folder)))
    assert not (workdir / "data_files.json.gz").exists()
    data_record.check(workdir, config(folder), sources(config(folder)))


def test_other_data_of_the_same_form_may_be_evaluated_by_name(
    workdir, folder, tmp_path, caplog
):
    """As for what is out of distribution; a model that is told labels needs their names."""
    other = tmp_path / "other"
    for split in ("train", "test"):
        for name in ("elk", "fox"):
            (other / split / name).mkdir(parents=True)
            put(other / split / name / "1.png", 7)
    assert len(data_record.open_split(workdir, config(other), "test")) == 2
    assert "as config.data reads it is other data than that of" in caplog.text
    told = config(other, model__class_conditional=True)
    with pytest.raises(
        ConfigError, match=r"is other data .* class 'cat', 'dog' is gone"
    ):
        data_record.open_split(workdir, told, "test")
    told.data.accept_changes = True
    data_record.open_split(workdir, told, "test")
    # Training goes on with the same images alone.
    with pytest.raises(
        ConfigError, match=r"is not the data of --workdir=.*, which was"
    ):
        data_record.check(workdir, config(other), sources(config(other)))


def test_the_same_images_prepared_otherwise_are_other_data(workdir, folder, caplog):
    c = config(folder, data__center_crop=2, data__image_size=4)
    assert len(data_record.open_split(workdir, c, "test")) == 4
    assert "its resizing is 'central 2x2, then" in caplog.text


def test_images_of_another_form_are_refused_by_their_shape(workdir, folder):
    for split in ("train", "test"):
        for path in (folder / split).rglob("*.png"):
            put(path, 1, (6, 5, 3))
    c = config(folder, data__accept_changes=True)
    message = (
        rf"^config.data.name = 'folder:{folder}': the model of --workdir={workdir} is of"
        r" images of the shape \(4, 4, 3\), and these have \(6, 5, 3\)\."
    )
    with pytest.raises(ConfigError, match=message):
        data_record.open_split(workdir, c, "test")
    with pytest.raises(ConfigError, match=message):
        data_record.check(workdir, c, sources(c))


def test_a_split_that_is_not_recorded_must_have_the_same_classes(workdir, folder):
    (folder / "val" / "cat").mkdir(parents=True)
    put(folder / "val" / "cat" / "5.png", 5)
    c = config(folder)
    assert len(data_record.open_split(workdir, c, "val")) == 1
    (folder / "val" / "cat").rename(folder / "val" / "dog")
    assert len(data_record.open_split(workdir, c, "val")) == 1
    rename_cat(folder)
    with pytest.raises(ConfigError, match=r"split 'val'\): class 'cat' is gone"):
        data_record.open_split(workdir, c, "val")


@pytest.mark.parametrize("text", ["{", "[]", '{"name": "digits"}'])
def test_a_record_that_cannot_be_read_is_named_with_its_remedy(workdir, folder, text):
    (workdir / "data.json").write_text(text)
    with pytest.raises(
        ConfigError, match=r"data\.json cannot be used .*: remove it, and"
    ):
        data_record.data_of(workdir, config(folder))


def test_a_record_keeps_splits_that_were_not_opened_again(workdir, folder):
    c = config(folder)
    data_record.remember(workdir, c, {"val": sources(c)["test"]})
    data = data_record.data_of(workdir, c)
    assert set(data.identities) == {"train", "test", "val"}
    (folder / "train" / "cat" / "0.png").unlink()
    with pytest.raises(ConfigError, match=r"1 file removed"):
        data_record.check(workdir, c, sources(c))


def test_a_split_is_the_runs_wherever_it_lies(workdir, folder, tmp_path):
    identity = build.source(config(folder), "train").identity
    assert data_record.has(workdir, "train", identity)
    moved = folder.rename(tmp_path / "elsewhere")
    there = build.source(config(moved), "train").identity
    assert there["name"] != identity["name"]
    assert data_record.has(workdir, "train", there)
    assert not data_record.has(workdir, "test", there)
    assert not data_record.has(workdir, "val", there)
    assert not data_record.has(workdir, "train", {**there, "contents": "other"})
    assert not data_record.has(epath.Path(tmp_path), "train", there)


def test_identities_of_data_that_are_given_are_those_of_what_is_opened(
    workdir, folder, tmp_path
):
    moved = folder.rename(tmp_path / "elsewhere")
    data = data_record.data_of(workdir, config(moved), is_given=True)
    assert data.identities == {} and data.class_names == ("cat", "dog")
    assert data.identity("test")["name"] == f"folder:{moved}"
