"""Digests of contents: what they tell apart, what is read again, and what is kept where."""

import json
import os
import time

import numpy as np
import pytest

from ddpm_jax.data import contents, listing
from ddpm_jax.data.contents import Contents
from tests.core import test_image_reader
from tests.data.conftest import encoded


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def folder(tmp_path):
    """Ten images of an hour ago, of 1 to 10 rows."""
    root = tmp_path / "images"
    root.mkdir()
    for i in range(10):
        put(root / f"{i}.png", encoded(np.full((i + 1, 4), i, np.uint8)))
    return root


def put(path, data, age=3600.0):
    path.write_bytes(data)
    then = time.time() - age
    os.utime(path, (then, then))


def of(root):
    return Contents(root, listing.read(root).files)


def reads(monkeypatch):
    """The paths of the files that are read from now on."""
    paths, read = [], Contents._read
    monkeypatch.setattr(
        Contents,
        "_read",
        lambda self, file: paths.append(file.path) or read(self, file),
    )
    return paths


def test_facts_are_those_of_the_files(folder):
    put(folder / "turned.jpg", test_image_reader.turned(6, "jpeg"))
    put(folder / "broken.png", b"no image")
    facts = of(folder).facts
    assert facts["3.png"][1:] == (4, 4, False)
    assert facts["turned.jpg"][1:3] == (5, 3)
    assert facts["broken.png"][1:] == (0, 0, False)
    assert len({fact.digest for fact in facts.values()}) == 12


CHANGES = {
    "other contents of the same size": lambda root: put(
        root / "3.png", (root / "3.png").read_bytes()[::-1]
    ),
    "another size": lambda root: put(root / "3.png", b"longer" * 100),
    "another name": lambda root: (root / "3.png").rename(root / "33.png"),
    "one more": lambda root: put(root / "x.png", b""),
    "one less": lambda root: (root / "3.png").unlink(),
    "two exchanged": lambda root: (
        (root / "3.png").rename(root / "x"),
        (root / "4.png").rename(root / "3.png"),
        (root / "x").rename(root / "4.png"),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_in_the_digest(folder, name):
    before = of(folder).digest(["a"])
    assert of(folder).digest(["a"]) == before != of(folder).digest(["b"])
    CHANGES[name](folder)
    assert of(folder).digest(["a"]) != before


def test_neither_place_nor_time_are_in_the_digest(folder, tmp_path):
    before = of(folder).digest([])
    moved = folder.rename(tmp_path / "elsewhere")
    os.utime(moved / "3.png")
    assert of(moved).digest([]) == before


def test_a_file_is_read_once_and_again_when_it_has_changed(folder, monkeypatch):
    paths = reads(monkeypatch)
    first = of(folder).facts
    assert sorted(paths) == sorted(first)
    paths.clear()
    assert of(folder).facts == first and paths == []
    put(folder / "3.png", (folder / "4.png").read_bytes(), age=1800.0)
    assert of(folder).facts["3.png"] == first["4.png"]
    assert paths == ["3.png"]


def test_a_file_that_was_just_written_is_read_again(folder, monkeypatch):
    """Another write could leave its size and its time as they are."""
    put(folder / "new.png", b"1234", age=0.0)
    time_of_it = os.stat(folder / "new.png").st_mtime_ns
    first = of(folder).facts["new.png"]
    (folder / "new.png").write_bytes(b"5678")
    os.utime(folder / "new.png", ns=(time_of_it, time_of_it))
    assert of(folder).facts["new.png"] != first


def test_what_is_kept_lies_in_the_users_cache_and_may_be_lost(
    folder, cache, monkeypatch
):
    before = sorted(os.listdir(folder))
    first = of(folder).digest([])
    (file,) = (cache / "ddpm_jax" / "image_files").iterdir()
    assert sorted(os.listdir(folder)) == before
    whole = file.read_bytes()
    other = json.dumps({"format": 0, "files": {}}).encode()
    for damaged in (whole[:100], b"[]", b"\xff", other):
        file.write_bytes(damaged)
        assert of(folder).digest([]) == first
        assert file.read_bytes() == whole
    file.unlink()
    # Where nothing can be kept, files are read again.
    (cache / "ddpm_jax" / "image_files").rmdir()
    (cache / "ddpm_jax" / "image_files").write_text("a file of the user's")
    paths = reads(monkeypatch)
    assert of(folder).digest([]) == first and len(paths) == 10


def test_a_user_without_a_home_is_no_error(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(
        contents.pathlib.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError)
    )
    assert contents._cache_folder() is None
    assert len(of(folder).facts) == 10


def test_of_many_files_a_sample_is_looked_at(folder, monkeypatch):
    monkeypatch.setattr(contents, "MOST_FILES", 4)
    files = listing.read(folder).files
    chosen = contents.sample(files)
    assert len(chosen) == 4 and chosen == [file for file in files if file in chosen]
    assert set(of(folder).facts) == {file.path for file in chosen}
    # All names and sizes are in the digest, and the contents of the sample.
    before = of(folder).digest([])
    (out, *_), inside = [file for file in files if file not in chosen], chosen[0]
    put(folder / out.path, (folder / out.path).read_bytes()[::-1])
    assert of(folder).digest([]) == before
    put(folder / inside.path, (folder / inside.path).read_bytes()[::-1])
    assert of(folder).digest([]) != before
    # When others go, it stays, but for those that take their places.
    kept = [file for file in files if file != chosen[0]]
    assert set(chosen[1:]) <= set(contents.sample(kept))


def test_the_bytes_of_a_sample_are_bounded(folder, monkeypatch):
    files = listing.read(folder).files
    size = max(file.size for file in files)
    monkeypatch.setattr(contents, "MOST_BYTES", 3 * size)
    num_bytes = sum(file.size for file in contents.sample(files))
    assert 2 * size <= num_bytes <= 3 * size
    monkeypatch.setattr(contents, "MOST_BYTES", 1)
    assert len(contents.sample(files)) == 1


def test_copies_are_found_by_size_and_then_by_content(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    put(tmp_path / "one" / "a", b"same")
    put(tmp_path / "one" / "b", b"long, and here alone")
    put(tmp_path / "one" / "c", b"this")
    put(tmp_path / "two" / "d", b"same")
    put(tmp_path / "two" / "e", b"that")
    put(tmp_path / "two" / "f", b"longer, and there alone")

    def both():
        return (
            Contents(
                tmp_path / n,
                [
                    listing.File(
                        entry.name, entry.stat().st_size, entry.stat().st_mtime_ns
                    )
                    for entry in sorted((tmp_path / n).iterdir())
                ],
            )
            for n in ("one", "two")
        )

    paths = reads(monkeypatch)
    assert contents.copies(*both()) == ([("a", "d")], 0)
    assert sorted(paths) == ["a", "c", "d", "e"]
    monkeypatch.setattr(contents, "MOST_FILES", 1)
    _, num_unknown = contents.copies(*both())
    assert num_unknown == 2
