"""Files of numbers: what is read, and what each bad file is answered with."""

import re

import numpy as np
import pytest

from ddpm_jax.core import number_files
from ddpm_jax.core.errors import ConfigError


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, bool])
def test_an_array_is_read_as_float64(tmp_path, dtype):
    array = np.arange(6).reshape(3, 2).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    found = number_files.read(tmp_path / "a.npy", "it")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, array.astype(np.float64))


def test_a_list_has_a_row_for_each_number(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4.0))
    (tmp_path / "a.csv").write_text("0\n1\n2\n3\n")
    for name in ("a.npy", "a.csv"):
        found = number_files.read(tmp_path / name, "it")
        np.testing.assert_array_equal(found, [[0.0], [1.0], [2.0], [3.0]])


@pytest.mark.parametrize(
    "text", ["1,2.5\n-3e2, 4\n", "\ufeff1,2.5\r\n-3e2,4", "# x,y\n1,2.5\n\n-3e2,4"]
)
def test_rows_of_text_are_read(tmp_path, text):
    (tmp_path / "a.CSV").write_text(text, encoding="utf-8")
    found = number_files.read(tmp_path / "a.CSV", "it")
    np.testing.assert_array_equal(found, [[1.0, 2.5], [-300.0, 4.0]])


def saved(array):
    def write(path):
        with open(path, "wb") as file:
            np.save(file, array)

    return write


def archive(path):
    with open(path, "wb") as file:
        np.savez(file, a=np.zeros(3))


BAD = {
    "a.npy": {
        "nan": (
            saved(np.array([[0.0, 1.0], [2.0, np.nan]])),
            r"nan in row 1, column 1",
        ),
        "infinite": (saved(np.array([0.0, -np.inf])), r"-inf in row 1, column 0"),
        "complex": (
            saved(np.zeros(3, complex)),
            r"array of complex128: write one of real",
        ),
        "texts": (saved(np.array(["a"])), r"array of <U1: write one of real"),
        "objects": (
            saved(np.array([1, None], object)),
            r"cannot be read: it is no array of numbers",
        ),
        "three axes": (
            saved(np.zeros((2, 2, 2))),
            r"shape \(2, 2, 2\): write one of \[n\]",
        ),
        "a number": (saved(np.float64(3.0)), r"shape \(\): write one of \[n\]"),
        "no row": (saved(np.zeros((0, 2))), r"holds no number"),
        "no column": (saved(np.zeros((2, 0))), r"holds no number"),
        "no file": (lambda path: None, r"cannot be read: No such file or directory"),
        "a folder": (lambda path: path.mkdir(), r"cannot be read: Is a directory"),
        "text": (lambda path: path.write_text("1,2\n"), r"it is no array of numbers"),
        "empty": (lambda path: path.write_text(""), r"cannot be read: it is empty"),
        "an archive": (archive, r"cannot be read: it is an archive"),
    },
    "a.csv": {
        "words": (
            lambda path: path.write_text("1,2\nx,3\n"),
            r"string 'x' to float64 at row 1, column 0, both counted from 0\.$",
        ),
        "ragged": (
            lambda path: path.write_text("1,2\n3\n"),
            r"cannot be read: .* columns changed from 2 to 1 at row 2\.$",
        ),
        "nan": (lambda path: path.write_text("1\nnan\n"), r"nan in row 1, column 0"),
        "empty": (lambda path: path.write_text(""), r"holds no number"),
        "bytes": (
            lambda path: path.write_bytes(b"\xff\xfe1\n"),
            r"cannot be read: .*utf-8",
        ),
    },
    "a.txt": {"kind": (lambda path: path.write_text("1\n"), r"a \.npy or \.csv file")},
}


@pytest.mark.parametrize("name, kind", [(n, k) for n in BAD for k in BAD[n]])
def test_a_bad_file_is_told_in_one_line(tmp_path, name, kind):
    write, said = BAD[name][kind]
    write(tmp_path / name)
    field = f"--points={tmp_path / name}"
    with pytest.raises(ConfigError, match=re.escape(field)) as error:
        number_files.read(tmp_path / name, field)
    text = str(error.value)
    assert re.search(said, text) and "\n" not in text and text.endswith(".")


def test_a_path_is_read_as_users_write_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", str(tmp_path))
    np.save(tmp_path / "a.npy", np.zeros(2))
    assert number_files.read("$HERE/a.npy", "it").shape == (2, 1)


def test_only_these_endings_name_a_file():
    assert number_files.is_named("x/a.npy") and number_files.is_named("A.CSV")
    assert not number_files.is_named("rings") and not number_files.is_named("a.npz")
