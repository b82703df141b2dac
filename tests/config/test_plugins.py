"""Plugins that can be loaded, and what is said of those that cannot."""

import importlib
import pickle
import sys

import jax.numpy as jnp
import pytest
from absl import logging

from ddpm_jax import config as config_lib
from ddpm_jax.config import check, plugins, schema
from ddpm_jax.core import choice, loaded_plugins
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.samplers.setting import SamplerOptions
from ddpm_jax.diffusion.samplers.time_grids import Counted
from ddpm_jax.models.table import SCHEDULES
from tests import tiny

GOOD = '''"""A schedule."""

import dataclasses

from ddpm_jax.core.choice import Choice, Options, option
from ddpm_jax.diffusion.process import schedules


@dataclasses.dataclass(frozen=True)
class Straight(Options):
    steepness: float = option(8.0, "Log SNR at t = 0.", above=0.0)


def make(options, num_steps):
    return schedules.linear_log_snr(-options.steepness, options.steepness)


CHOICES = {"schedule.name": {"straight": Choice(Straight, make)}}
'''


@pytest.fixture(autouse=True)
def temporary():
    with plugins.temporarily():
        yield


@pytest.fixture
def written(tmp_path):
    """Writes a plugin, the good one with changes; its path."""

    def write(*changes, name="straight.py"):
        text = GOOD
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_a_plugin_adds_a_choice_with_its_group(written):
    plugins.load(written())
    c = tiny.config(schedule__name="straight", schedule__straight__steepness=3.0)
    check.fields(c)
    check.choices(c)
    made, options = choice.chosen(SCHEDULES, c.schedule, "name", "schedule")
    assert float(made.make(options, 10).log_snr(jnp.zeros(()))) == 3.0
    c.schedule.straight.steepness = -1.0
    with pytest.raises(ConfigError) as error:
        check.choices(c)
    assert str(error.value) == (
        "config.schedule.straight.steepness = -1.0: write a number above 0."
    )


def test_a_plugin_twice_is_as_once_and_a_changed_file_is_told(
    written, monkeypatch, caplog
):
    said = []
    monkeypatch.setattr(
        logging, "warning", lambda *args: said.append(args[0] % args[1:])
    )
    path = written()
    plugins.load(path)
    once = SCHEDULES["straight"]
    plugins.load([path, f"{path},{path}"])
    assert SCHEDULES["straight"] is once and not said
    plugins.load(written(("8.0", "10.0")))
    assert SCHEDULES["straight"] is once
    assert said == [f"{path} has changed since this process loaded it"]


def test_a_dotted_name_and_a_path_within_a_package_are_one_module(
    written, tmp_path, monkeypatch
):
    package = tmp_path / "package_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    path = written(name="package_of_mine/straight.py")
    monkeypatch.chdir(tmp_path)
    plugins.load("package_of_mine.straight")
    plugins.load(path)
    plugins.load("package_of_mine/straight.py")
    assert list(loaded_plugins.hashes()) == ["package_of_mine.straight"]
    assert "straight" in SCHEDULES


def test_several_are_loaded_and_nothing_is_none(written):
    other = written(('"straight"', '"other"'), name="other.py")
    plugins.load("")
    plugins.load([])
    assert loaded_plugins.hashes() == {}
    plugins.load(f"{written()}, {other}")
    assert {"straight", "other"} <= SCHEDULES.keys()


def test_other_processes_can_import_it_by_its_name(written, tmp_path):
    plugins.load(written())
    options = SCHEDULES["straight"].options(2.0)
    data = pickle.dumps(options)
    del sys.modules["straight"]
    # As a process does that is started with the same folders to import from.
    again = pickle.loads(data)
    assert importlib.import_module("straight").__file__ == str(tmp_path / "straight.py")
    assert again.steepness == 2.0


def test_all_is_as_before_after_an_error_and_a_mended_file_loads(written):
    before, folders = schema.default(), set(sys.modules)
    with pytest.raises(ConfigError, match="no field"):
        plugins.load(written(('"schedule.name"', '"schedule.nam"')))
    assert schema.default() == before and "straight" not in set(sys.modules) - folders
    plugins.load(written(("8.0", "8.25")))
    assert config_lib.default().schedule.straight.steepness == 8.25


def test_temporary_ones_are_taken_back(written):
    before = schema.default(), list(SCHEDULES), list(sys.path)
    with pytest.raises(KeyError), plugins.temporarily():
        plugins.load(written())
        assert loaded_plugins.hashes()
        raise KeyError
    assert (schema.default(), list(SCHEDULES), list(sys.path)) == before
    assert loaded_plugins.hashes() == {} and "straight" not in sys.modules


OPTION = 'option(8.0, "Log SNR at t = 0.", above=0.0)'
ENTRY = "Choice(Straight, make)"
AS_SAMPLER = ('"schedule.name"', '"sample.sampler"')


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('"""A schedule."""', "1 / 0", ", line 1: ZeroDivisionError: division by zero"),
        ("import dataclasses", "import (", ", line 3: SyntaxError: "),
        (
            "import dataclasses",
            "import no_such_module",
            ", line 3: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("frozen=True", "", ", line 9: TypeError: cannot inherit non-frozen"),
        ("CHOICES", "CHOICE", ": it has no CHOICES, such as {"),
        ("CHOICES", "CHOICE", "Did you mean 'CHOICE'?"),
        ("CHOICES = {", "CHOICES = 3, {", ": its CHOICES are no dict, such as {"),
        ('"schedule.name": ', '"schedule.nam": ', "Did you mean 'schedule.name'?"),
        ('"schedule.name": ', '"schedule.num_steps": ', "names a choice"),
        ('"schedule.name": ', "3: ", "CHOICES[3] is no field of a config"),
        ('{"straight": Choice(Straight, make)}', "3", "is no dict of names"),
        (
            '"straight"',
            '"cosine"',
            "CHOICES['schedule.name']['cosine']: config.schedule.name has a choice of that"
            " name already",
        ),
        ('"straight"', '"num_steps"', "config.schedule has 'num_steps' already"),
        ('"straight"', '"update"', "cannot have a group of that name"),
        ('"straight"', '"straight-on"', "cannot have a group of that name"),
        ('"straight"', "3", "CHOICES['schedule.name'][3]: a config cannot"),
        (ENTRY, "make", "write a ddpm_jax.core.choice.Choice"),
        (ENTRY, "Choice(Straight, make, frozenset({'learnt'}))", "'learned'?"),
        (OPTION, "8.0", "have the field 'steepness', which says nothing"),
        (
            OPTION,
            OPTION.replace("8.0", "-8.0"),
            "steepness = -8.0: write a number above",
        ),
        ("steepness:", "items:", "have the field 'items', a name of a ConfigDict's"),
        (
            "@dataclasses.dataclass(frozen=True)\n",
            "",
            "write @dataclasses.dataclass(frozen=True) above Straight.",
        ),
    ],
)
def test_what_is_wrong_with_a_plugin_is_told_in_one_line(old, new, said, written):
    path = written((old, new))
    with pytest.raises(ConfigError) as error:
        plugins.load(path)
    text = str(error.value)
    assert text.startswith(path) and said in text and "\n" not in text
    assert loaded_plugins.hashes() == {}


@pytest.mark.parametrize(
    "field, name, said",
    [
        ("sample.sampler", "film", "config.sample has 'film' already"),
        ("sample.sampler", "steps", ""),
        ("sample.sampler", "karras", "config.sample has 'karras' already"),
        ("prediction", "data", "config has 'data' already"),
        ("reverse_variance", "v", "config has 'v' already"),
        ("model.name", "time_scale", "config.model has 'time_scale' already"),
    ],
)
def test_a_name_is_free_in_the_whole_group(field, name, said, written):
    base = choice.tables(schema.Whole)[field]
    options = plugins.common_options(base)
    path = written(
        (
            "import dataclasses",
            f"import dataclasses\nfrom {options.__module__} import {options.__name__} as Base",
        ),
        ("Straight(Options)", "Straight(Base)"),
        ('"schedule.name"', repr(field)),
        ('"straight"', repr(name)),
    )
    if not said:
        plugins.load(path)
        return
    with pytest.raises(ConfigError, match=said):
        plugins.load(path)


def test_two_choices_of_one_plugin_do_not_share_a_name(written):
    entry = 'CHOICES = {"prediction": {"straight": Choice(Options, make)}, "reverse_variance": '
    path = written(('CHOICES = {"schedule.name": ', entry), ("(Straight,", "(Options,"))
    with pytest.raises(ConfigError, match="config has 'straight' already"):
        plugins.load(path)


def test_options_are_what_others_ask_of_them(written):
    assert (
        plugins.common_options(choice.tables(schema.Whole)["sample.spacing"]) is Counted
    )
    assert plugins.common_options(SCHEDULES) is choice.Options
    with pytest.raises(ConfigError) as error:
        plugins.load(written(AS_SAMPLER))
    assert str(error.value).endswith(
        f"are no dataclass that derives from {SamplerOptions.__module__}.SamplerOptions."
    )


@pytest.mark.parametrize("entry", ["Choice(dict, make)", "Choice(Straight, 3)"])
def test_what_tests_refuse_by_its_type_is_refused_without_them_too(entry, written):
    with pytest.raises(ConfigError):
        plugins.load(written((ENTRY, entry)))


@pytest.mark.parametrize(
    "text, said",
    [
        ("no/such.py", "no/such.py: there is no such file."),
        ("tests", "CHOICES"),
        ("no_such_module", "--plugins=no_such_module: there is no such module"),
        ("no_such.module", "No module named 'no_such'"),
        ("tests/", "it is a folder"),
        ("README.md/x.txt", "it is not a Python file"),
        ("sys", "--plugins=sys: there is no such module"),
    ],
)
def test_a_plugin_that_is_not_there_is_told(text, said):
    with pytest.raises(ConfigError) as error:
        plugins.load(text)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_file_takes_no_other_modules_name(written):
    with pytest.raises(
        ConfigError, match=r"json/__init__\.py is a module of that name"
    ):
        plugins.load(written(name="json.py"))
    with pytest.raises(ConfigError, match="cannot be the name of a module"):
        plugins.load(written(name="my-schedule.py"))
