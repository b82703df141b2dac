"""Command-line arguments: a wrong one is told in one line, with exit status 2."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from ddpm_jax.core import terminal
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
    """Runs a command and returns its exit status; a ConfigError goes to stderr as one line."""
    terminal.quiet_libraries()
    try:
        status = command(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of the pipe has closed it, as `head` does: nothing more can be written.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ConfigError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
