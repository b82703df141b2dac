"""Several folders of samples as one set."""

import json

import numpy as np
import pytest
from etils import epath

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.sampling import sample_folders, shards
from tests.sampling.test_shards import IDENTITY, SHAPE, images


def put(folder, first, num, form="npz", identity=IDENTITY, size=5, end=None):
    """A folder of samples; of those to be, `end` says where a kill came."""
    store = shards.Shards(
        epath.Path(folder),
        identity,
        num_samples=num,
        first=first,
        shape=SHAPE,
        num_values=17,
        shard_size=size,
        form=form,
    )
    store.begin()
    store.add(first, images(end or first + num)[first:])
    return str(folder)


@pytest.fixture
def parts(tmp_path):
    """Samples 0 to 22 of three jobs, the second in pictures."""
    return [
        put(tmp_path / "job_2", 15, 8),
        put(tmp_path / "job_0", 0, 7),
        put(tmp_path / "job_1", 7, 8, form="png"),
    ]


def test_folders_are_one_set_in_the_order_of_the_numbers(parts, tmp_path):
    (tmp_path / "job_0.png").touch()
    for text in (
        ",".join(parts),
        f"{tmp_path}/job_*",
        f"{parts[0]}, {tmp_path}/job_[01]",
    ):
        found = sample_folders.gather(text, "the field")
        assert found.ranges == [(0, 7), (7, 15), (15, 23)] and len(found) == 23
        assert found.identity["step"] == 900 and found.num_values == 17
        np.testing.assert_array_equal(found.read(23), images(23))
        np.testing.assert_array_equal(found.read(9), images(9))
        np.testing.assert_array_equal(found.read(99), images(23))
    one = sample_folders.gather(parts[0], "the field")
    np.testing.assert_array_equal(one.read(8), images(23)[15:])


@pytest.mark.parametrize("size", [1, 6, 23, 40])
def test_batches_are_of_one_size_whatever_the_files_are(parts, size):
    batches = list(sample_folders.gather(",".join(parts), "x").batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate(batches), images(23))


def test_a_pattern_may_be_relative_and_go_through_folders(parts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("job_*", "./job_?", f"../{tmp_path.name[:-1]}?/job_*"):
        assert len(sample_folders.gather(text, "x")) == 23


def test_what_a_job_has_not_drawn_yet_is_not_there(tmp_path):
    part = put(tmp_path / "part", 10, 20, end=27)
    assert sample_folders.gather(part, "x").ranges == [(10, 25)]
    none = put(tmp_path / "none", 30, 20, end=31)
    with pytest.raises(ConfigError, match=r"^x: .*none holds no sample yet\.$"):
        sample_folders.gather(none, "x")


@pytest.mark.parametrize(
    "given, said",
    [
        (
            dict(first=22, num=3),
            "x: {0} holds samples 15 to 22, and {1} 22 to 24: leave one of them out.",
        ),
        (
            dict(first=23, num=3, identity=IDENTITY | {"step": 800}),
            "x: {1} and {2} hold samples of different things: step (now 800, then 900);"
            " leave one of them out.",
        ),
    ],
)
def test_samples_that_are_no_set_are_refused(parts, tmp_path, given, said):
    other = put(tmp_path / "other", **given)
    with pytest.raises(ConfigError) as error:
        sample_folders.gather(",".join([*parts, other]), "x")
    assert str(error.value) == said.format(parts[0], other, parts[1])


def test_the_same_folder_twice_is_refused(parts):
    with pytest.raises(
        ConfigError, match=r"holds samples 0 to 6, and .* 0 to 6: leave"
    ):
        sample_folders.gather(f"{parts[1]},{parts[1]}", "x")


@pytest.mark.parametrize(
    "text, said",
    [
        (" , ", "x names no folder of samples."),
        (
            "nowhere",
            "x: nowhere is no folder with a samples.json, as --mode=sample writes",
        ),
        ("no*where", "x: no*where is no folder with a samples.json"),
    ],
)
def test_what_is_no_folder_of_samples_is_told(text, said):
    with pytest.raises(ConfigError) as error:
        sample_folders.gather(text, "x")
    assert str(error.value).startswith(said)


def test_a_record_of_something_else_is_told_in_one_line(tmp_path):
    for text in ("{", "[]", "{}", json.dumps({"identity": {}, "first": 0})):
        (tmp_path / "samples.json").write_text(text)
        with pytest.raises(ConfigError) as error:
            sample_folders.gather(str(tmp_path), "x")
        assert "samples.json" in str(error.value) and "\n" not in str(error.value)


def test_a_workdir_is_no_folder_of_samples(parts, tmp_path):
    assert sample_folders.is_one(parts[0])
    assert sample_folders.is_one(f"{tmp_path}/job_*,nowhere")
    assert not sample_folders.is_one(tmp_path) and not sample_folders.is_one("nowhere")
    assert not sample_folders.is_one("")
