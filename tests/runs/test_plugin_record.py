import json

import pytest
from etils import epath

from ddpm_jax.core import loaded_plugins
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.runs import plugin_record, workdir
from tests import tiny


@pytest.fixture(autouse=True)
def as_before():
    before = loaded_plugins.hashes()
    yield
    loaded_plugins.replace(before)


@pytest.fixture
def path(tmp_path):
    return epath.Path(tmp_path)


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(
        plugin_record.logging, "warning", lambda text, *of: lines.append(text % of)
    )
    return lines


def test_a_run_without_plugins_leaves_no_file(path, said):
    workdir.remember_config(path, tiny.config())
    workdir.config_for_mode(path, tiny.config())
    plugin_record.require(path)
    assert [file.name for file in path.iterdir()] == ["config.json"] and not said


def test_a_run_remembers_its_plugins_and_asks_for_them(path, said):
    loaded_plugins.replace({"mine.cubic": "12", "other": "34"})
    workdir.remember_config(path, tiny.config())
    assert json.loads((path / "plugins.json").read_text()) == {
        "mine.cubic": "12",
        "other": "34",
    }
    workdir.config_for_mode(path, tiny.config())
    assert not said
    loaded_plugins.replace({"other": "34"})
    with pytest.raises(ConfigError) as error:
        workdir.config_for_mode(path, tiny.config())
    assert str(error.value) == (
        f"--workdir={path} is of a run with the plugin 'mine.cubic': add"
        " --plugins=mine.cubic (in Python, ddpm_jax.plugins.load('mine.cubic')), or the path"
        " of its file cubic.py."
    )
    with pytest.raises(
        ConfigError, match=r"^config\.x = 3 is of a run with the plugin"
    ):
        plugin_record.require(path, "config.x = 3")


def test_a_change_is_told_and_another_plugin_is_not(path, said):
    loaded_plugins.replace({"cubic": "12"})
    workdir.remember_config(path, tiny.config())
    loaded_plugins.replace({"cubic": "12", "new": "1"})
    workdir.config_for_mode(path, tiny.config())
    assert not said
    loaded_plugins.replace({"cubic": "13"})
    workdir.config_for_mode(path, tiny.config())
    assert said == [
        f"the plugin cubic is not as the run in {path} had it: its file has changed"
    ]


@pytest.mark.parametrize(
    "text, why", [("{", "cannot be read as JSON"), ("[]", "no names")]
)
def test_a_record_that_is_none_is_told(path, text, why):
    (path / "plugins.json").write_text(text)
    with pytest.raises(ConfigError, match=why):
        plugin_record.require(path)
