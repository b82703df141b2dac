"""Files that are whole or not there, and what is said where they cannot be."""

import errno
import io
import os

import pytest
from etils import epath

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError


def test_paths_of_other_file_systems_are_passed_on_as_they_are(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert os.fspath(files.absolute("gs://bucket/run")) == "gs://bucket/run"
    assert os.fspath(files.absolute("run")) == str(tmp_path / "run")
    assert not files.is_local("gs://bucket/run") and files.is_local("run")


def test_lines_are_added_one_after_the_other(tmp_path):
    path = epath.Path(tmp_path / "rows")
    for line in ("one", "two"):
        files.append_line(path, line)
        assert path.read_text().endswith(line + "\n")
    assert path.read_text() == "one\ntwo\n"


def test_a_line_and_a_file_are_on_the_disk_when_it_is_said(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(os, "fsync", lambda number: kept.append(os.fstat(number)))
    files.append_line(epath.Path(tmp_path / "rows"), "one")
    files.replace_bytes(epath.Path(tmp_path / "whole"), b"12345")
    assert [stat.st_size for stat in kept] == [4, 5]


def test_a_file_is_whole_or_the_one_before(tmp_path, monkeypatch):
    path = epath.Path(tmp_path / "file")
    files.replace_text(path, "first")

    def killed(number):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            files.replace_bytes(path, b"second, cut off")
    assert path.read_text() == "first"
    # Another process that writes the same file has a name of its own for what is half.
    (left,) = set(tmp_path.iterdir()) - {tmp_path / "file"}
    assert str(os.getpid()) in left.name and left.name.endswith(".tmp")
    files.replace_text(path, "second")
    assert path.read_text() == "second"


def test_what_cannot_be_written_is_told_with_its_reason(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "replace_bytes", full)
    with pytest.raises(ConfigError, match=r"x.png cannot be written \(No space") as e:
        files.write(epath.Path(tmp_path / "x.png"), b"")
    assert "\n" not in str(e.value)


def limited(monkeypatch, num_bytes):
    """Has files take so many bytes more, of which a write may be the part that fits."""
    real = io.FileIO.write
    left = [num_bytes]

    class Full(io.FileIO):
        def write(self, data):
            if not left[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            num = real(self, bytes(data)[: left[0]])
            left[0] -= num
            return num

    monkeypatch.setattr(
        files, "open", lambda path, *_, **__: Full(path, "a+"), raising=False
    )


def test_a_line_that_does_not_fit_is_not_there_at_all(tmp_path, monkeypatch):
    path = epath.Path(tmp_path / "rows")
    files.append_line(path, "one")
    with monkeypatch.context() as patch:
        limited(patch, 2)
        with pytest.raises(OSError, match="No space left") as error:
            files.append_line(path, "two")
        assert error.value.filename == str(path)
    assert path.read_text() == "one\n"
    files.append_line(path, "two")
    assert path.read_text() == "one\ntwo\n"


def test_a_line_that_a_kill_cut_off_does_not_spoil_the_next(tmp_path):
    path = epath.Path(tmp_path / "rows")
    path.write_text("one\ntw")
    files.append_line(path, "three")
    assert path.read_text() == "one\ntw\nthree\n"


def test_what_cannot_be_replaced_leaves_nothing_half_and_names_the_file(
    tmp_path, monkeypatch
):
    path = epath.Path(tmp_path / "file")
    files.replace_text(path, "first")

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as error:
            files.replace_bytes(path, b"second")
    assert error.value.filename == str(path) and path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_room_of_a_local_folder_is_known_and_a_number_has_its_unit(tmp_path):
    room = files.free_bytes(tmp_path)
    assert room is not None and 0 < room < 2**60
    assert files.free_bytes("gs://bucket/run") is None
    assert files.free_bytes(tmp_path / "nothing") is None
    words = {0: "0 bytes", 1023: "1023 bytes", 1536: "1.5 KiB", 3 * 2**30: "3 GiB"}
    assert {number: files.in_words(number) for number in words} == words
    assert files.in_words(2**60) == "1.049e+06 TiB"
