"""Names to sources: what a wrong one is answered with."""

import subprocess
import sys

import pytest

from ddpm_jax.data import table


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("digit", "digits"),
        ("tdfs:cifar10", "tfds:cifar10"),
        ("cifar10", "tfds:cifar10"),
    ],
)
def test_an_unknown_name_is_answered_with_a_guess(name, guess):
    with pytest.raises(
        ValueError, match=rf"config\.data\.name = .*Did you mean '{guess}'"
    ):
        table.make(name, "train")


def test_a_bare_path_is_answered_with_folder(tmp_path):
    with pytest.raises(ValueError, match=f"Did you mean 'folder:{tmp_path}'"):
        table.make(str(tmp_path), "train")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tfds", "tfds:<name>"),
        ("folder:", "folder:<path>"),
        ("digits:mine", "digits"),
        ("points", "points:<name or file>"),
    ],
)
def test_a_half_name_is_answered_with_the_whole(name, wanted):
    with pytest.raises(
        ValueError, match=f"config.data.name = '{name}': write {wanted}."
    ):
        table.make(name, "train")


def test_nothing_heavy_is_imported_before_it_is_named():
    program = (
        "import sys; from ddpm_jax.data import table;"
        "heavy = {'tensorflow', 'tensorflow_datasets', 'sklearn', 'grain'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
