"""The one entry: what it lists, what it refuses, and what it hands on."""

import importlib
import subprocess
import sys

import pytest

from ddpm_jax.commands import modes, table
from ddpm_jax.commands.table import COMMANDS

# Says what was imported, after the command.
TELL = """
import sys
from ddpm_jax.commands import table
status = table.main(sys.argv[1:])
heavy = {"jax", "numpy", "flax", "tensorflow"} & set(sys.modules)
print(status, sorted(heavy))
"""


def test_help_lists_every_command_with_its_line(capsys):
    assert table.main(["--help"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    listed = {line[0]: line[1] for line in lines if line and line[0] in COMMANDS}
    assert listed == {name: command.line for name, command in COMMANDS.items()}


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["nosuch"], "'nosuch' is not a command: write one of train, eval, sample,"),
        (["compere"], "guidance. Did you mean 'compare'?"),
        ([], "there is no command: write one of train, eval, sample, reference,"),
    ],
)
def test_what_is_no_command_is_told_what_there_is_in_one_line(arguments, said, capsys):
    assert table.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and error.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_says_what_it_takes(name, capsys):
    command = COMMANDS[name]
    assert callable(getattr(importlib.import_module(command.module), command.function))
    try:
        assert table.main([name, "--help"]) == 0
    except SystemExit as end:  # argparse's.
        assert end.code == 0
    out = capsys.readouterr().out
    assert f"python -m ddpm_jax {name}" in out or "python -m ddpm_jax train" in out
    assert "--workdir" in out or "--judge" in out or "DIR" in out


@pytest.mark.parametrize("name", modes.MODES)
def test_every_mode_is_the_command_of_its_name(name):
    assert COMMANDS[name].module == modes.__name__
    assert getattr(modes, COMMANDS[name].function).keywords == {"mode": name}


def test_a_command_gets_the_arguments_after_its_name(monkeypatch):
    def main(arguments):
        return len(arguments)

    monkeypatch.setattr("ddpm_jax.commands.compare.main", main)
    assert table.main(["compare", "a", "--b"]) == 2


def test_help_imports_nothing_that_is_heavy():
    for arguments in (["--help"], ["train", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", TELL, *arguments], capture_output=True, text=True
        )
        assert done.stdout.splitlines()[-1] == "0 []", done.stderr
