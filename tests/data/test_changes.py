"""What a change of data is called."""

import numpy as np
import pytest

from ddpm_jax.data import builtin, changes, table
from ddpm_jax.data.changes import State
from tests.data.conftest import encoded

FILES = {
    f"{name}/{i}.png": (10 + i, f"{name}{i}")
    for name in ("cat", "dog")
    for i in range(4)
}
THEN = State({"name": "folder:/a", "contents": "1"}, ("cat", "dog"), FILES)
OTHER = {"name": "folder:/a", "contents": "2"}


def now(files, classes=("cat", "dog"), identity=OTHER):
    return State(identity, classes, files)


def without(*paths):
    return {path: facts for path, facts in FILES.items() if path not in paths}


def under(old, new):
    return {path.replace(f"{old}/", f"{new}/"): facts for path, facts in FILES.items()}


CASES = {
    "nothing": (now(FILES, identity=THEN.identity), []),
    "another place": (now(FILES, identity={"name": "folder:/b", "contents": "1"}), []),
    "a class renamed, the labels with it": (
        now(under("cat", "zebra"), ("dog", "zebra")),
        ["class 'cat' is called 'zebra'", "the label of class 'dog' is 0, not 1"],
    ),
    "a class renamed": (
        now(under("cat", "cats"), ("cats", "dog")),
        ["class 'cat' is called 'cats'"],
    ),
    "a class renamed with a file less": (
        now(
            {p: f for p, f in under("cat", "cats").items() if p != "cats/2.png"},
            ("cats", "dog"),
        ),
        ["class 'cat' is called 'cats'", "1 file removed (such as cats/2.png)"],
    ),
    "a class gone": (
        now(without(*(f"cat/{i}.png" for i in range(4))), ("dog",)),
        [
            "class 'cat' is gone",
            "the label of class 'dog' is 0, not 1",
            "4 files removed (such as cat/0.png)",
        ],
    ),
    "a class more": (
        now(FILES | {"eel/1.png": (3, "e")}, ("cat", "dog", "eel")),
        ["class 'eel' is new", "1 file added (such as eel/1.png)"],
    ),
    "files that came, went and changed": (
        now(
            without("cat/1.png")
            | {"dog/8.png": (1, ""), "dog/9.png": (1, "")}
            | {"dog/2.png": (12, "other"), "cat/3.png": (99, "cat3")}
        ),
        [
            "2 files added (such as dog/8.png)",
            "1 file removed (such as cat/1.png)",
            "2 files changed (such as cat/3.png)",
        ],
    ),
    "files that were not looked at both times": (
        now({path: (size, "") for path, (size, _) in FILES.items()}),
        ["its contents are others"],
    ),
    "no list of files": (now(None), ["its contents are others"]),
    "fewer examples and no list": (
        State({**OTHER, "num_examples": 3}, ("cat", "dog"), None),
        ["it has 3 examples, not None"],
    ),
    "another version": (
        State({**OTHER, "version": "3"}, ("cat", "dog"), None),
        ["its version is '3', not None"],
    ),
    "the same files but for broken ones": (
        now(FILES, identity={**THEN.identity, "num_examples": 7, "version": "2"}),
        [],
    ),
    "another size": (
        now(FILES, identity={**THEN.identity, "resizing": "8x8"}),
        ["its resizing is '8x8', not None"],
    ),
    "other names alone": (
        State(THEN.identity, ("cat", "wolf"), None),
        ["class 'dog' is gone", "class 'wolf' is new"],
    ),
}


@pytest.mark.parametrize("when", ["then", "now"])
def test_a_file_that_could_not_be_read_may_be_mended_or_left_out(when):
    file, other = "cat/1.png", "dog/2.png"
    cut = now(FILES | {file: (3, "cut")}, identity={**OTHER, "num_examples": 7})
    broken = frozenset([file])
    states = [THEN._replace(broken=broken), cut]
    if when == "now":
        states = [THEN, cut._replace(broken=broken)]
    assert changes.between(*states) == []
    states[1] = states[1]._replace(files=states[1].files | {other: (3, "cut")})
    (clause,) = changes.between(*states)
    assert clause.startswith("2 files changed")


@pytest.mark.parametrize("name", CASES)
def test_a_change_is_told_by_what_has_changed(name):
    state, clauses = CASES[name]
    assert changes.between(THEN, state) == clauses


def test_the_state_of_a_source_is_its_own(tmp_path):
    for split, value in (("train", 1), ("test", 2)):
        (tmp_path / split / "a").mkdir(parents=True)
        for i in range(2):
            data = encoded(np.full((4, 4), 10 * value + i, np.uint8))
            (tmp_path / split / "a" / f"{i}.png").write_bytes(data)
    source = table.make(f"folder:{tmp_path}", "train")
    state = changes.state_of(source)
    assert state.identity == source.identity
    assert list(state.files) == ["a/0.png", "a/1.png"]
    size, digest = state.files["a/1.png"]
    assert size == (tmp_path / "train" / "a" / "1.png").stat().st_size and digest
    assert changes.between(state, changes.state_of(source)) == []
    digits = changes.state_of(builtin.digits("test"))
    assert digits.files is None and digits.class_names == tuple("0123456789")
