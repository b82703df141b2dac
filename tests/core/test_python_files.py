"""Files that a user wrote: which line is named, and why."""

import sys

import pytest

from ddpm_jax.core import python_files
from ddpm_jax.core.errors import ConfigError

# What a file says -> what is said of it, after its path.
WRONG = {
    "def give(:": ", line 1: SyntaxError: invalid syntax",
    "x = 1\n\nimport no_such_module": (
        ", line 3: ModuleNotFoundError: No module named 'no_such_module'"
    ),
    "def inner():\n    return 1 / 0\n\n\nx = inner()": (
        ", line 2: ZeroDivisionError: division by zero"
    ),
    "raise ValueError('write\\n  this.')": ", line 1: write this.",
    "raise RuntimeError": ", line 1: RuntimeError",
    "import sys\nsys.exit(3)": ", line 2: SystemExit: 3",
    "x = {}['a']": ", line 1: KeyError: 'a'",
    # Of a call into another file, the line here.
    "import json\nx = json.loads('{')": (
        ", line 2: JSONDecodeError: Expecting property name enclosed in double quotes:"
        " line 1 column 2 (char 1)"
    ),
    "x = 1": ": it has no function give().",
    "give = 3": ": it has no function give().",
    "def giv(): return 1": ": it has no function give(). Did you mean 'giv'?",
    "\ndef give(variant): return 1": (
        ", line 2: give(): missing a required argument: 'variant'."
    ),
    "def give():\n    x = 3\n    return x + ''": (
        ", line 3: TypeError: unsupported operand type(s) for +: 'int' and 'str'"
    ),
}


def given(path, *arguments):
    module = python_files.load(str(path), "file_of_test")
    return python_files.result_of(module, "give", *arguments)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "mine.py"


@pytest.mark.parametrize("content", WRONG)
def test_a_wrong_file_is_told_by_line_and_reason(content, file):
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        given(file)
    assert str(error.value) == f"{file}{WRONG[content]}"


def test_an_argument_that_a_function_does_not_take(file):
    file.write_text("def give(): return 1")
    with pytest.raises(ConfigError) as error:
        given(file, "nope")
    assert str(error.value) == (
        f"{file}, line 1: give('nope'): too many positional arguments."
    )


def test_what_is_no_python_file(tmp_path):
    latin = tmp_path / "latin.py"
    latin.write_bytes("x = 1\ny = 'é'".encode("latin-1"))
    text = tmp_path / "notes.txt"
    text.write_text("def give(): return 1")
    (tmp_path / "folder.py").mkdir()
    said = {
        latin: f"{latin}, line 2: SyntaxError: (unicode error) 'utf-8' codec can't decode",
        text: f"{text}: it is not a Python file: write one that ends in .py.",
        tmp_path / "none.py": f"{tmp_path}/none.py: there is no such file.",
        tmp_path / "folder.py": f"{tmp_path}/folder.py: it is a folder: write the path",
        tmp_path: f"{tmp_path}: it is a folder",
    }
    for path, message in said.items():
        with pytest.raises(ConfigError) as error:
            python_files.load(str(path), "file_of_test")
        assert str(error.value).startswith(message)
        assert "\n" not in str(error.value)


def test_a_file_that_may_not_be_read(file, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    file.write_text("")
    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(ConfigError, match=r"mine\.py: it cannot be read: Permission"):
        python_files.load(str(file), "file_of_test")


def test_a_mistake_in_a_file_that_is_imported_is_told_by_both(file):
    (file.parent / "other_of_test.py").write_text("x = 1\n)")
    file.write_text("\nimport other_of_test")
    with pytest.raises(ConfigError) as error:
        given(file)
    assert str(error.value) == (
        f"{file}, line 2: SyntaxError: unmatched ')' (other_of_test.py, line 2)"
    )


def test_a_file_imports_what_lies_beside_it_or_beside_its_package(tmp_path):
    package = tmp_path / "package_of_test" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "value_of_test.py").write_text("VALUE = 5")
    (tmp_path / "beside_of_test.py").write_text("VALUE = 6")
    inside, outside = package / "inside.py", tmp_path / "outside.py"
    inside.write_text(
        "from package_of_test.inner.value_of_test import VALUE\n"
        "def give():\n    import beside_of_test\n    return VALUE + beside_of_test.VALUE"
    )
    outside.write_text("import beside_of_test\ngive = lambda: beside_of_test.VALUE")
    before = list(sys.path)
    assert given(inside) == 11
    assert given(outside) == 6
    assert sys.path == before
    # Its own folder is not where a module of a package looks.
    inside.write_text("import value_of_test")
    with pytest.raises(ConfigError, match="No module named 'value_of_test'"):
        given(inside)
    assert sys.path == before


def test_a_file_is_run_anew_each_time_and_its_classes_have_a_module(file):
    content = (
        "import dataclasses\n\n@dataclasses.dataclass\nclass Box:\n    x: 'int' = {}\n"
        "def give(): return Box()"
    )
    for number in (1, 2):
        file.write_text(content.format(number))
        assert given(file).x == number
