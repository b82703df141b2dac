"""The version of the package."""

import pathlib
import re
import tomllib

from ddpm_jax.core import version


def test_it_is_a_version_and_what_is_installed_takes_it_from_here():
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.VERSION)
    file = pathlib.Path(__file__).parents[2] / "pyproject.toml"
    tables = tomllib.loads(file.read_text())
    assert "version" in tables["project"]["dynamic"]
    said = tables["tool"]["setuptools"]["dynamic"]["version"]
    assert said == {"attr": "ddpm_jax.core.version.VERSION"}
