"""TFDS data sets: written in its own format here, prepared, read, and refused."""

import logging
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds

from ddpm_jax.data import table, tfds_source
from ddpm_jax.data.images import Frame
from ddpm_jax.data.tfds_source import TfdsSource
from tests.data import tiny_tfds


@pytest.fixture(autouse=True)
def without_tensorflow(monkeypatch, tfds_leavings):
    """These data sets are encoded already, and TensorFlow takes long to import."""
    monkeypatch.setattr(tfds_source, "_hide_accelerators", lambda: None)


def make(config, tfds_dir, split="train", **options):
    return table.make(f"tfds:tiny_images/{config}", split, data_dir=tfds_dir, **options)


def config_of(name):
    return next(c for c in tiny_tfds.TinyImages.BUILDER_CONFIGS if c.name == name)


@pytest.mark.parametrize("split", ["train", "test"])
def test_images_and_labels_are_those_that_were_written(tfds_dir, split):
    source = make("cifar", tfds_dir, split)
    number = {"train": tiny_tfds.NUM_TRAIN, "test": tiny_tfds.NUM_TEST}[split]
    assert len(source) == number
    seen = set()
    for i in range(number):
        example = source[i]
        original = int(example["image"][0, 0, 0])
        seen.add(original)
        written = tiny_tfds.pixels(config_of("cifar"), split, original)
        np.testing.assert_array_equal(example["image"], written)
        assert example["label"] == original % 10
    assert seen == set(range(number))
    assert source.shape == (32, 32, 3)


def test_images_are_those_that_tfds_decodes(tfds_dir):
    source = make("cifar", tfds_dir)
    theirs = tfds.data_source("tiny_images/cifar", split="train", data_dir=tfds_dir)
    for i in range(len(source)):
        np.testing.assert_array_equal(source[i]["image"], theirs[i]["image"])


def test_grey_without_a_label(tfds_dir):
    source = make("grey", tfds_dir)
    assert source.shape == source[3]["image"].shape == (28, 28, 1)
    assert source[3]["label"] == 0
    assert make("grey", tfds_dir, channels=3)[0]["image"].shape == (28, 28, 3)


def test_a_size_that_the_data_set_does_not_say(tfds_dir):
    assert make("unsaid", tfds_dir).shape == (8, 8, 3)


def test_sizes_that_vary_need_image_size(tfds_dir):
    source = make("varied", tfds_dir)
    with pytest.raises(
        ValueError, match=r"image_size is not set, and image \d+ of tfds"
    ):
        for i in range(len(source)):
            source[i]
    source = make("varied", tfds_dir, center_crop=20, image_size=10)
    assert {source[i]["image"].shape for i in range(len(source))} == {(10, 10, 3)}
    assert source.identity["resizing"].startswith("central 20x20, then")
    assert source.identity["version"] == "tiny_images/varied/1.2.0"


def test_split_expressions(tfds_dir):
    whole = make("cifar", tfds_dir)
    part = make("cifar", tfds_dir, "train[3:7]")
    assert len(part) == 4
    np.testing.assert_array_equal(part[0]["image"], whole[3]["image"])
    both = make("cifar", tfds_dir, "train+test")
    assert len(both) == tiny_tfds.NUM_TRAIN + tiny_tfds.NUM_TEST
    with pytest.raises(
        ValueError, match=r"eval_split = 'tset' is no split.*train, test"
    ):
        make("cifar", tfds_dir, "tset")


def test_preparing_is_told_once(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        make("cifar", str(tmp_path))
    told = [m for m in caplog.messages if m.startswith("preparing tfds:")]
    assert told == [
        f"preparing tfds:tiny_images/cifar in {tmp_path}/tiny_images/cifar/1.2.0, once"
        " ..."
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="absl"):
        make("cifar", str(tmp_path))
    assert "preparing tfds:" not in caplog.text


def test_tensorflow_gets_no_gpu_before_it_encodes(tmp_path, monkeypatch):
    calls = []
    builder = tfds.builder("tiny_images/cifar", data_dir=str(tmp_path))
    monkeypatch.undo()
    monkeypatch.setattr(
        tiny_tfds.TinyImages, "download_and_prepare", lambda _: calls.append("prepare")
    )
    config = types.SimpleNamespace(
        set_visible_devices=lambda devices, kind: calls.append((devices, kind))
    )
    tensorflow = types.SimpleNamespace(config=config)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.setattr(tfds_source, "_builder", lambda *_, **__: builder)
    tfds_source._prepared("", "tiny_images/cifar", str(tmp_path))
    assert calls == [([], "GPU"), "prepare"]


def test_without_internet_it_says_what_to_copy_where(tfds_dir):
    where = f"{tfds_dir}/tiny_images/offline/1.2.0"
    message = (
        f"ConnectionError: Max retries exceeded. .*copy to {where} the array_record"
    )
    with pytest.raises(ValueError, match=message) as error:
        make("offline", tfds_dir)
    assert "\n" not in str(error.value)


def test_a_copied_folder_needs_no_preparing(tfds_dir, tmp_path):
    source = make("cifar", tfds_dir)
    shutil.copytree(f"{tfds_dir}/tiny_images/cifar", tmp_path / "tiny_images" / "cifar")
    copied = make("cifar:1.2.0", str(tmp_path))
    np.testing.assert_array_equal(copied[5]["image"], source[5]["image"])


def test_a_missing_shard_is_named(tfds_dir, tmp_path):
    make("cifar", tfds_dir)
    shutil.copytree(f"{tfds_dir}/tiny_images/cifar", tmp_path / "tiny_images" / "cifar")
    (shard,) = (tmp_path / "tiny_images").rglob("*test*")
    shard.unlink()
    make("cifar", str(tmp_path), "train")
    with pytest.raises(ValueError, match=f"{shard} is missing"):
        make("cifar", str(tmp_path), "test")


def test_other_file_formats_are_refused(tfds_dir, tmp_path):
    make("cifar", tfds_dir)
    shutil.copytree(f"{tfds_dir}/tiny_images/cifar", tmp_path / "tiny_images" / "cifar")
    info = tmp_path / "tiny_images" / "cifar" / "1.2.0" / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))
    for shard in info.parent.glob("*array_record*"):
        shard.rename(str(shard).replace("array_record", "tfrecord"))
    message = f"prepared in {info.parent} as tfrecord files, not array_record: remove"
    with pytest.raises(ValueError, match=message):
        make("cifar", str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny_images/deep", "images of uint16: only uint8"),
        ("tiny_images/nameless", "no image called 'image'.*picture"),
        ("tiny_images/ciphar", "cannot be opened by TFDS: ValueError: .*ciphar"),
        ("tiny_images/cifar:9.9.9", "cannot be opened by TFDS: AssertionError"),
        ("cifra10", "no data set that TFDS knows. Did you mean 'tfds:cifar10'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tfds_dir, name, message):
    with pytest.raises(ValueError, match=message) as error:
        table.make(f"tfds:{name}", "train", data_dir=tfds_dir)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"config.data.name = 'tfds:{name}'")


def test_records_are_read_when_they_are_asked_for(tfds_dir, monkeypatch):
    read = []
    decode = Frame.read

    def counted(frame, file, where):
        read.append(where)
        return decode(frame, file, where)

    monkeypatch.setattr(Frame, "read", counted)
    source = make("cifar", tfds_dir)
    assert read == []
    source[4]
    assert read == ["image 4 of tfds:tiny_images/cifar"]


def test_reading_imports_no_tensorflow(tfds_dir):
    make("cifar", tfds_dir)
    root = pathlib.Path(tfds_source.__file__).parents[2]
    program = (
        "import sys; from ddpm_jax.data import table;"
        f"s = table.make('tfds:tiny_images/cifar', 'train', data_dir={tfds_dir!r});"
        "s[0]; print('tensorflow' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "False"


def test_the_number_of_classes_is_what_the_data_set_says(tfds_dir):
    assert make("cifar", tfds_dir).num_classes == 10
    assert make("cifar", tfds_dir, "test").num_classes == 10
    assert make("grey", tfds_dir).num_classes == 0


def test_classes_have_the_names_that_the_data_set_gives(tfds_dir):
    assert make("cifar", tfds_dir).class_names == tuple("0123456789")
    assert make("grey", tfds_dir).class_names == ()


def test_the_contents_are_those_of_the_examples(tfds_dir):
    train, test = make("cifar", tfds_dir), make("cifar", tfds_dir, "test")
    contents = [source.identity["contents"] for source in (train, test)]
    assert len(set(contents)) == 2
    assert make("cifar", tfds_dir).identity == train.identity

    def of(records, names=train.class_names):
        return TfdsSource(
            *("tfds:a", "train", "1", records, True, names, (32, 32, 3)),
            Frame(channels=3, image_size=None, center_crop=None),
        ).identity["contents"]

    records = [train._records[i] for i in range(len(train))]
    assert of(records) == contents[0]
    assert of(records[:-1]) != contents[0] != of(records, [*"abcdefghij"])
    assert of([*records[:7], records[8], *records[8:]]) != contents[0]
