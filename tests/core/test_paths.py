"""Paths as users write them: what is expanded, what stays, and what is refused."""

import os
import pathlib

import pytest

from ddpm_jax.core import paths
from ddpm_jax.core.errors import ConfigError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, beside a home; with two variables of which one is empty."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    monkeypatch.setenv("EMPTY", "")
    return tmp_path / "here"


def expanded(text):
    return os.fspath(paths.expanded(text, f"--workdir={text}"))


def test_home_folders_and_variables_are_expanded_and_nothing_else(here):
    home = str(here.parent / "home")
    for written, meant in {
        "~": home,
        "~/runs/a": f"{home}/runs/a",
        "~root/a": f"{os.path.expanduser('~root')}/a",
        "$SCRATCH/a": "/scratch/me/a",
        "${SCRATCH}_old/a": "/scratch/me_old/a",
        "~/$SCRATCH": f"{home}//scratch/me".replace("//", "/"),
        "runs/a": "runs/a",
        "./~/a": f"{here}/~/a",
        "a~b/~": "a~b/~",
        "/a/5$/$": "/a/5$/$",
        "a b/ä\n": "a b/ä\n",
        "gs://bucket/~/$NOTHING": "gs://bucket/~/$NOTHING",
        "s3://bucket/run": "s3://bucket/run",
    }.items():
        assert expanded(written) == meant, written
        assert expanded(expanded(written)) == meant
    assert paths.expanded(pathlib.Path("~/a"), "x") == pathlib.Path(home, "a")


@pytest.mark.parametrize(
    "written, said",
    [
        ("", "--workdir= is an empty path: write one"),
        (" \t", "is an empty path: write one"),
        ("~nobody-here/a", "--workdir=~nobody-here/a: ~nobody-here is no home folder"),
        ("$NOTHING/a", "the environment variable NOTHING is not set: set it, or write"),
        ("a/${EMPTY}/b", "the environment variable EMPTY is not set"),
        ("$SCRATCH/${NOTHING}", "the environment variable NOTHING is not set"),
        ("http://host/a", "http:// is no storage that is known: write the path"),
        ("GS://bucket", "or one of gs://, s3://, az://, hf://."),
        ("file:///tmp/a", "file:// is no storage"),
    ],
)
def test_what_means_no_path_is_refused_by_the_flags_name(here, written, said):
    with pytest.raises(ConfigError) as error:
        expanded(written)
    assert said in str(error.value) and "--workdir=" in str(error.value)
    assert not list(here.iterdir())


def test_what_is_there_under_the_very_name_is_not_lost(here):
    # As runs were named before anything was expanded.
    (here / "~" / "a").mkdir(parents=True)
    (here / "$SCRATCH").mkdir()
    (here / "cost in $US").mkdir()
    for written in ("~/a", "$SCRATCH"):
        with pytest.raises(ConfigError, match=r" means /.*, and something is there"):
            expanded(written)
    assert expanded("./~/a") == expanded(here / "~" / "a") == f"{here}/~/a"
    assert expanded("~/b") == str(here.parent / "home" / "b")
    assert expanded("cost in $US") == "cost in $US"
