"""The log on a terminal or in a pipe: this program's records, and errors of libraries.

Other libraries' notes on their own doings are left out.
"""

import itertools
import logging
import os
import pathlib
import sys
from collections.abc import Mapping

import tqdm
from absl import logging as absl_logging

from ddpm_jax.core import outside

# Variables that the C++ code of TensorFlow and XLA reads: errors alone, and no notes on the
# instructions of this machine.
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
# Folders that installed packages lie in.
INSTALLED = ("site-packages", "dist-packages")
# The level from which a library's records are logged. Orbax warns whenever it opens a folder to
# read it.
LEVELS: Mapping[str, int] = {"orbax": logging.ERROR, "ddpm_jax": logging.INFO}
LEVEL_OF_OTHERS = logging.WARNING
DATES = "%Y-%m-%d %H:%M:%S"


def quiet_libraries() -> None:
    """Sets the environment for quiet libraries, before TensorFlow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def begin_log() -> None:
    """Starts the log: dated lines on standard error."""
    absl_logging.set_verbosity(absl_logging.INFO)
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers[:]:
        # A library that logged before this has made Python add one to standard error.
        is_pythons = getattr(handler, "stream", None) is sys.stderr
        is_absls = handler is absl_logging.get_absl_handler()
        if is_pythons or is_absls or isinstance(handler, Handler):
            root.removeHandler(handler)
    root.addHandler(Handler())


def leave_out_libraries() -> None:
    """Keeps libraries' notes out of an existing log, such as a notebook's."""
    absl_logging.get_absl_logger().addFilter(is_heard)


class Handler(logging.Handler):
    """A handler that writes lines to standard error, above a progress bar if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(is_heard)
        self.setFormatter(_Dated())

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.tqdm.write(self.format(record), file=sys.stderr)
        except Exception:  # As every handler of the standard library does.
            self.handleError(record)


def is_heard(record: logging.LogRecord) -> bool:
    """Whether a record is logged: the program's own, or a library's of a high level.

    One with an error from outside the program is not: the error itself arrives, and is told.
    """
    error = record.exc_info and record.exc_info[1]
    if error and (outside.is_late(error) or outside.line(error) is not None):
        return False
    parts = pathlib.PurePath(record.pathname).parts
    for folder, name in itertools.pairwise(parts):
        if folder in INSTALLED:
            return record.levelno >= LEVELS.get(name, LEVEL_OF_OTHERS)
    return True


class _Dated(logging.Formatter):
    """A format with time, level above information, and message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        is_grave = record.levelno > logging.INFO
        level = f"{record.levelname.lower()}: " if is_grave else ""
        return f"{self.formatTime(record, DATES)} {level}{record.message}"
