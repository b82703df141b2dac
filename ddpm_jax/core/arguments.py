"""Command-line arguments: a wrong one is told in one line, with exit status 2."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from ddpm_jax.core import ending, terminal
from ddpm_jax.core.errors import ConfigError

# What the flag of several commands means.
PLUGINS = (
    "Modules with choices of your own, by commas: dotted names or paths of .py files."
)


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `ConfigError` and accepts no abbreviated options."""

    def __init__(self, name: str, description: str) -> None:
        super().__init__(
            prog=f"python -m ddpm_jax {name}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")


def run(command: Callable[[list[str]], int], argv: Sequence[str] | None) -> int:
    """Runs a command of these arguments, by default the process's, to its exit status."""
    terminal.quiet_libraries()
    given = list(sys.argv[1:] if argv is None else argv)
    return ending.status_of(lambda: command(given))
