"""The planted mistakes are still mistakes: each old text is in its file, exactly once."""

import ast
import pathlib

import pytest

from tests.planted import every

ROOT = pathlib.Path(__file__).parents[1]
EVERY = every.chosen("")


@pytest.mark.parametrize("name", EVERY)
def test_a_mistake_can_be_planted_and_its_tests_are_there(name):
    mistake = EVERY[name]
    text = (ROOT / mistake.file).read_text()
    assert every.places(mistake, text) == 1, f"{mistake.file}: {mistake.old}"
    assert mistake.new != mistake.old
    ast.parse(text.replace(mistake.old, mistake.new))
    files = [argument for argument in mistake.tests if argument.endswith(".py")]
    assert files and all((ROOT / file).exists() for file in files)


def test_there_are_enough_and_no_two_are_one():
    assert len(EVERY) >= 100
    places = {(m.file, m.old, m.new) for m in EVERY.values()}
    whats = {m.what for m in EVERY.values()}
    assert len(places) == len(whats) == len(EVERY)
