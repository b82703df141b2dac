"""Files that are whole or not there, and what is said where they cannot be."""

import errno
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
