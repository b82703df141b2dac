"""What `import ddpm_jax` gives: every name, at no cost until it is used."""

import ast
import importlib
import inspect
import pathlib
import subprocess
import sys

import pytest

import ddpm_jax as dj

SOURCE = pathlib.Path(dj.__file__).read_text()


def test_importing_it_imports_nothing_else():
    tell = (
        "import sys; before = set(sys.modules); import ddpm_jax;"
        " dir(ddpm_jax); print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True)
    found = {name.partition(".")[0] for name in done.stdout.split()}
    assert "ddpm_jax" in found
    assert found <= {"ddpm_jax", *sys.stdlib_module_names}


@pytest.mark.parametrize("name", dj.PUBLIC)
def test_every_name_is_there(name):
    assert name in dir(dj)
    found = getattr(dj, name)
    if inspect.ismodule(found):
        assert found is importlib.import_module(dj.PUBLIC[name])
    else:
        assert dj.PUBLIC[name] == f"{found.__module__}:{found.__name__}"
    assert found.__doc__


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = dj.nosuch


def test_type_checkers_are_told_the_same_names():
    """`PUBLIC` and the imports for type checkers name the same things."""
    (block,) = [
        node
        for node in ast.parse(SOURCE).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    told = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            # An alias of the same name is how a stub says that it is to be seen.
            assert alias.asname is not None
            told[alias.asname] = f"{node.module}.{alias.name}"
    said = {name: place.replace(":", ".") for name, place in dj.PUBLIC.items()}
    # The module of that name is a function too.
    assert said["train"] == "ddpm_jax.train" and callable(dj.train)
    assert told == said | {"train": "ddpm_jax.train.train"}


def test_packages_among_them_bring_their_modules():
    for package in (dj.samplers, dj.nets):
        file = pathlib.Path(package.__file__)
        brought = {
            alias.name
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.ImportFrom) and node.module == package.__name__
            for alias in node.names
        }
        # Whatever else this process has imported.
        assert brought == {path.stem for path in file.parent.glob("[!_]*.py")}
        assert all(inspect.ismodule(getattr(package, name)) for name in brought)
