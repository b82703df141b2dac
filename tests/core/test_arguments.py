"""Arguments of commands: one line and status 2 for what is wrong with them."""

import os
import subprocess
import sys

import pytest

from ddpm_jax.core import arguments, terminal
from ddpm_jax.core.errors import ConfigError


def parsing(argv):
    parser = arguments.Parser("count", "Counts.")
    parser.add_argument("--number", type=int)
    return parser.parse_args(argv).number


def test_a_wrong_option_is_an_error_of_the_user_that_names_the_help():
    assert parsing(["--number=3"]) == 3
    with pytest.raises(
        ConfigError, match=r"invalid int value: 'x' .*ddpm_jax count --"
    ):
        parsing(["--number=x"])
    # Written out: what is short today may mean something else tomorrow.
    with pytest.raises(ConfigError, match="unrecognized arguments: --num=3"):
        parsing(["--num=3"])


def test_the_status_is_the_commands_and_what_is_wrong_goes_to_stderr(capsys):
    assert arguments.run(lambda argv: len(argv), ["a", "b"]) == 2
    assert arguments.run(lambda argv: 0, []) == 0

    def wrong(argv):
        raise ConfigError("no\n   such thing")

    assert arguments.run(wrong, []) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "error: no such thing\n")


def test_without_arguments_they_are_the_process_own(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "x", "y"])
    seen = []
    assert arguments.run(lambda argv: seen.extend(argv) or 7, None) == 7
    assert seen == ["x", "y"]


def test_a_reader_that_has_seen_enough_is_no_error():
    program = (
        "import sys; from ddpm_jax.core import arguments;"
        "command = lambda argv: [print('x' * 1000) for _ in range(1000)] and 0;"
        "sys.exit(arguments.run(command, []))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 1


def test_libraries_are_quiet_before_a_command_begins(monkeypatch):
    for name in terminal.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    found = {}
    assert arguments.run(lambda argv: found.update(os.environ) or 0, []) == 0
    assert found.items() >= terminal.ENVIRONMENT.items()
