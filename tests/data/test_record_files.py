"""The files of a record, read without a run."""

import gzip
import json

import pytest
from etils import epath

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import record_files

RECORD = {
    "name": "folder:/a",
    "shape": [8, 8, 3],
    "num_values": 256,
    "classes": ["cat", "dog"],
    "splits": {"train": {"contents": "1"}, "test": {"version": "2"}},
}


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "data.json").write_text(json.dumps(RECORD))
    files = json.dumps({"train": {"cat/1.png": [5, "ab"]}})
    (tmp_path / "data_files.json.gz").write_bytes(gzip.compress(files.encode()))
    return epath.Path(tmp_path)


def test_a_state_is_found_by_its_contents(workdir):
    assert record_files.read(workdir) == RECORD
    state = record_files.state_of_contents(workdir, "1")
    of_split = {"contents": "1"}, ["cat", "dog"], {"cat/1.png": (5, "ab")}
    assert state == (*of_split, frozenset())
    assert record_files.state_of_contents(workdir, "2") is None
    assert record_files.state(workdir, RECORD, "test").files is None


def test_without_a_record_there_is_no_state(workdir):
    (workdir / "data.json").unlink()
    assert record_files.read(workdir) is None
    assert record_files.state_of_contents(workdir, "1") is None


# A name that says no time, as the compressed bytes do: processes must agree on it.
@pytest.mark.parametrize(
    "data",
    [b"", b"damaged", gzip.compress(b"[1]")],
    ids=["empty", "damaged", "no table"],
)
def test_a_list_that_is_damaged_is_none(workdir, data):
    (workdir / "data_files.json.gz").write_bytes(data)
    assert record_files.tables(workdir) == {}
    assert record_files.state(workdir, RECORD, "train").files is None


@pytest.mark.parametrize("entry", RECORD)
def test_a_record_without_an_entry_is_refused_by_its_name(workdir, entry):
    rest = {name: value for name, value in RECORD.items() if name != entry}
    (workdir / "data.json").write_text(json.dumps(rest))
    with pytest.raises(
        ConfigError, match=f"cannot be used .it has no '{entry}'.: remove"
    ):
        record_files.read(workdir)
