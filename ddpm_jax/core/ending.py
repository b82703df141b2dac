"""The end of a command: its exit status, and one line of what stopped it.

0 done; 1 stopped by a cause outside the program, or by a fault of its own, which alone shows a
traceback; 2 a wrong flag, config or workdir; 128 + n stopped by signal n, 143 or 130.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from ddpm_jax.core import outside
from ddpm_jax.core.errors import ConfigError


class StoppedError(KeyboardInterrupt):
    """The end that SIGTERM asks for, as KeyboardInterrupt is SIGINT's."""


def status_of(command: Callable[[], int]) -> int:
    """Runs a command and returns its exit status; what stops it goes to stderr as one line.

    Raises:
      Exception: a fault of the program's own.
    """
    _print_any_name()
    sys.unraisablehook, threading.excepthook = _lost, _lost_in_a_thread
    try:
        with _stopped_by_sigterm():
            status = command()
            sys.stdout.flush()
            return status
    except BrokenPipeError:
        # The reader of the pipe has closed it, as `head` does: nothing more can be written.
        _let_go_of_stdout()
        return 1
    except ConfigError as error:
        return complain(str(error), status=2)
    except KeyboardInterrupt as error:
        is_term = isinstance(error, StoppedError)
        # A command that does not go on from what is written says what it does.
        said = str(error) or "the same command goes on from what is written"
        print(f"stopped: {said}", file=sys.stderr)
        return 128 + (signal.SIGTERM if is_term else signal.SIGINT)
    except Exception as error:
        text = outside.line(error)
        if text is None:
            raise
        try:
            sys.stdout.flush()
        except OSError:  # It lies on a full disk.
            _let_go_of_stdout()
        return complain(text, status=1)


def complain(text: str, status: int) -> int:
    """Prints an error as one line on stderr, and returns the exit status."""
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return status


def _let_go_of_stdout() -> None:
    """Has what is left to print go nowhere: at the end of Python it would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_any_name() -> None:
    """Has names that standard output cannot show, such as no UTF-8, printed by escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Has SIGTERM raise `StoppedError`, wherever the program is."""

    def stop(number: int, _: FrameType | None) -> None:
        raise StoppedError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _lost(unraisable: "sys.UnraisableHookArgs") -> None:
    """Leaves out what libraries' threads raise into nothing once the command is stopped."""
    error = unraisable.exc_value
    if error is None or not _is_echo(error):
        sys.__unraisablehook__(unraisable)


def _lost_in_a_thread(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_value is None or not _is_echo(raised.exc_value):
        threading.__excepthook__(raised)


def _is_echo(error: BaseException) -> bool:
    """Whether an error only follows from one that is told."""
    is_stop = isinstance(error, KeyboardInterrupt)
    is_stop |= isinstance(
        error.__cause__, GeneratorExit
    )  # A coroutine left in the middle.
    return outside.is_late(error) or is_stop or outside.line(error) is not None
