"""Config files: variants, what they must return, and how overrides reach them."""

import pathlib

import pytest
from absl import flags

from ddpm_jax.config import files
from ddpm_jax.core.errors import ConfigError

CONFIG = """
from ddpm_jax import config

def get_config(variant="plain"):
    c = config.default()
    c.seed = len(variant)
    return c
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CONFIG)
    return str(path)


def test_a_file_and_a_variant_of_it(file):
    assert files.read_config(file).seed == len("plain")
    assert files.read_config(f"{file}:small").seed == len("small")
    assert files.read_config(f"{file}:a:b").seed == len("a:b")


def test_a_file_is_where_its_user_means(file, tmp_path, monkeypatch):
    folder = tmp_path / "a:b"
    folder.mkdir()
    pathlib.Path(file).rename(folder / "mine.py")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.read_config(f"{folder}/mine.py").seed == len("plain")
    assert files.read_config("~/a:b/mine.py:small").seed == len("small")
    with pytest.raises(ConfigError, match="--config= is an empty path"):
        files.read_config("")
    with pytest.raises(ConfigError, match=r"--config=\$NO/c.py: the .* NO is not set"):
        files.read_config("$NO/c.py")


@pytest.mark.parametrize(
    "content, said",
    [
        ("return None", "get_config() returns None: let it return a ConfigDict"),
        (
            "return {'seed': 1}",
            "get_config() returns a dict: let it return a ConfigDict",
        ),
    ],
)
def test_what_is_no_config_is_told_with_the_functions_line(content, said, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f"\n\ndef get_config():\n    {content}\n")
    with pytest.raises(ConfigError) as error:
        files.read_config(str(path))
    assert str(error.value).startswith(f"{path}, line 3: {said}")


def test_an_unknown_variant_is_told_by_the_line_that_refuses_it():
    path = pathlib.Path(__file__).parents[2] / "configs" / "digits.py"
    lines = path.read_text().splitlines()
    line = 1 + lines.index("    smoke.check_variant(variant)")
    with pytest.raises(ConfigError) as error:
        files.read_config(f"{path}:nope")
    assert str(error.value) == (
        f"{path}, line {line}: unknown variant 'nope': write :full or :smoke."
    )


def test_no_path_at_all_is_told():
    for name in ("", ":small"):
        with pytest.raises(
            ConfigError, match=f"^--config={name} is an empty path: write"
        ):
            files.read_config(name)


def parsed(*arguments):
    values, argv = flags.FlagValues(), ["program", *arguments]
    files.define_flag(values, argv)
    assert files.parse(values, argv) == ["program"]
    return values.config


def test_overrides_reach_the_config_of_the_flag_which_is_locked(file):
    config = parsed(f"--config={file}:xy", "--config.data.name=photos")
    assert (config.seed, config.data.name, config.is_locked) == (2, "photos", True)
    assert parsed("--config", file, "--config.seed", "7").seed == 7
    assert parsed() is None


def test_errors_of_the_file_are_told_without_the_flag_and_of_overrides_with_it(file):
    with pytest.raises(ConfigError) as error:
        parsed("--config=none.py:a")
    assert str(error.value) == "none.py: there is no such file."
    assert error.value.__suppress_context__
    with pytest.raises(flags.Error, match=r"^flag --config\.seed=one: "):
        parsed(f"--config={file}", "--config.seed=one")
