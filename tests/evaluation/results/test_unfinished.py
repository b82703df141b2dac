"""What is kept of an evaluation under way, and for which settings it is found again."""

import jax
import numpy as np
import pytest
from etils import epath

from ddpm_jax.evaluation.results.unfinished import Store

SETTINGS = {"seed": 0, "data": {"split": "test"}}


def rows(number):
    return {"index": np.arange(3) + number, "nats.total": np.full(3, 0.5 + number)}


def store(path, **changes):
    given = {"step": 3, "name": "one", "settings": SETTINGS} | changes
    return Store(epath.Path(path), **given)


def numbers(found):
    return [int(batch["index"][0]) for batch in found]


def test_batches_come_back_as_they_were_up_to_one_that_is_missing(tmp_path):
    kept = store(tmp_path)
    for number in (0, 1, 3):
        kept.add(number, rows(number))
    found = store(tmp_path).read(5)
    assert numbers(found) == [0, 1]
    for name, values in rows(1).items():
        assert found[1][name].dtype == values.dtype
        np.testing.assert_array_equal(found[1][name], values)
    assert numbers(store(tmp_path).read(1)) == [0]


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_batch_is_as_good_as_none(tmp_path, content):
    kept = store(tmp_path)
    for number in range(3):
        kept.add(number, rows(number))
    (file,) = (tmp_path / "eval" / "unfinished" / "3").glob("*/1.npz")
    file.write_bytes(file.read_bytes()[:-30] if content is None else content)
    assert numbers(kept.read(3)) == [0]


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 4},
        {"name": "two"},
        {"settings": {**SETTINGS, "seed": 1}},
        {"settings": {**SETTINGS, "data": {"split": "train"}}},
        {"settings": {**SETTINGS, "more": None}},
    ],
)
def test_another_evaluation_does_not_find_them(tmp_path, changes):
    store(tmp_path).add(0, rows(0))
    assert store(tmp_path, **changes).read(1) == []
    assert numbers(store(tmp_path).read(1)) == [0]


def test_neither_does_another_jax(tmp_path, monkeypatch):
    store(tmp_path).add(0, rows(0))
    monkeypatch.setattr(jax, "__version__", "0.0.1")
    assert store(tmp_path).read(1) == []


def test_the_order_of_settings_does_not_matter(tmp_path):
    store(tmp_path).add(0, rows(0))
    turned = dict(reversed(SETTINGS.items()))
    assert numbers(store(tmp_path, settings=turned).read(1)) == [0]


def test_what_is_forgotten_leaves_no_folder_but_those_of_others(tmp_path):
    first, second = store(tmp_path), store(tmp_path, name="two")
    for own in (first, second):
        own.add(0, rows(0))
    first.forget()
    assert first.read(1) == [] and numbers(second.read(1)) == [0]
    second.forget()
    assert list((tmp_path / "eval").iterdir()) == []
    second.forget()


def test_only_one_process_reads_and_writes(tmp_path, monkeypatch):
    store(tmp_path).add(0, rows(0))
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    other = store(tmp_path)
    assert other.read(1) == []
    other.add(1, rows(1))
    other.forget()
    monkeypatch.undo()
    assert numbers(store(tmp_path).read(2)) == [0]
