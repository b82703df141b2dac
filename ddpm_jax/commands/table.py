"""The table of commands of `python -m ddpm_jax`; installed, `ddpm-jax` is the same.

Only the module of the command that is called is imported.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ddpm_jax.core import terminal
from ddpm_jax.core.errors import hint


class Command(NamedTuple):
    """A command: its help and where it is.

    Attributes:
      line: one line of description, for --help.
      module: name of its module.
      function: name of its function there: arguments -> exit status.
    """

    line: str
    module: str
    function: str = "main"


MODES = "ddpm_jax.commands.modes"
COMMANDS: Mapping[str, Command] = {
    "train": Command("train a model, or go on where it was stopped", MODES, "train"),
    "eval": Command(
        "measure a trained model: bits per dim, quality", MODES, "evaluate"
    ),
    "sample": Command(
        "draw from a trained model, freely or by a task", MODES, "sample"
    ),
    "reference": Command("features of the training images", MODES, "reference"),
    "compare": Command("evaluations of runs side by side", "ddpm_jax.commands.compare"),
    "sweep": Command("train and evaluate a grid of configs", "ddpm_jax.commands.sweep"),
    "lab": Command(
        "draw what diffusion does to a density: a gallery of figures",
        "ddpm_jax.gallery.command",
    ),
    "guidance": Command(
        "gains and costs of guidance, by scale", "ddpm_jax.commands.guidance_scales"
    ),
}
HELP = ("--help", "-help", "-h", "help")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names, with the arguments after it.

    Args:
      argv: the arguments; None: those of this process.

    Returns:
      The exit status: the command's, or 2 where there is no such command.
    """
    name, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if name in HELP:
        print(help_text())
        return 0
    if name not in COMMANDS:
        wrong = f"{name!r} is not a command" if name else "there is no command"
        known = ", ".join(COMMANDS)
        text = f"error: {wrong}: write one of {known}.{hint(name, COMMANDS)}"
        print(text, file=sys.stderr)
        return 2
    command = COMMANDS[name]
    terminal.quiet_libraries()
    function = getattr(importlib.import_module(command.module), command.function)
    status: int = function(rest)
    return status


def help_text() -> str:
    """The help: every command with its line."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.line}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "Denoising diffusion models in JAX.",
            "",
            "usage: python -m ddpm_jax COMMAND [ARGUMENTS]    (installed: ddpm-jax COMMAND)",
            "",
            *lines,
            "",
            "python -m ddpm_jax COMMAND --help says what a command takes.",
        ]
    )
