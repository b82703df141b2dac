"""Exit statuses, and the one line of what stopped a command."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ddpm_jax.core import ending
from ddpm_jax.core.errors import ConfigError, OutsideError


@pytest.fixture(autouse=True)
def hooks_as_before():
    before = sys.unraisablehook, threading.excepthook
    yield
    sys.unraisablehook, threading.excepthook = before


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    "error, status, said",
    [
        (ConfigError("no\n such"), 2, "error: no such\n"),
        (OutsideError("the disk"), 1, "error: the disk\n"),
        (
            PermissionError(errno.EACCES, "x", "/a"),
            1,
            "error: /a: Permission denied: change its permissions, or write a path that"
            " this user may use, and run the same command again.\n",
        ),
        (
            KeyboardInterrupt(),
            130,
            "stopped: the same command goes on from what is written\n",
        ),
    ],
)
def test_what_stops_a_command_is_one_line_with_a_status(error, status, said, capsys):
    assert ending.status_of(raising(error)) == status
    assert capsys.readouterr() == ("", said)


def test_a_fault_of_the_programs_own_keeps_its_traceback(capsys):
    with pytest.raises(ZeroDivisionError):
        ending.status_of(lambda: 1 // 0)
    assert ending.status_of(lambda: 7) == 7
    assert capsys.readouterr().err == ""


def test_sigterm_stops_wherever_the_command_is_and_only_while_it_runs(capsys):
    before = signal.getsignal(signal.SIGTERM)

    def command():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        return 0

    assert ending.status_of(command) == 143
    assert capsys.readouterr().err.startswith("stopped: the same command")
    assert signal.getsignal(signal.SIGTERM) is before
    # In another thread signals are not for it to handle.
    seen = []
    thread = threading.Thread(target=lambda: seen.append(ending.status_of(lambda: 5)))
    thread.start()
    thread.join()
    assert seen == [5]


def test_threads_that_fail_by_what_is_told_say_no_more(capsys):
    def fails(error):
        thread = threading.Thread(target=raising(error))
        thread.start()
        thread.join()
        return capsys.readouterr().err

    ending.status_of(lambda: 0)
    assert fails(OSError(errno.ENOSPC, "x")) == ""
    assert fails(RuntimeError("Event loop is closed")) == ""
    assert fails(RuntimeError("cannot schedule new futures after shutdown")) == ""
    assert "RuntimeError: another" in fails(RuntimeError("another"))
    assert "ValueError: a fault" in fails(ValueError("a fault"))


def test_a_process_that_is_stopped_at_its_start_says_so():
    done = in_a_process(
        # A process that a script starts in the background begins with it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)",
        "sys.exit(ending.status_of(lambda: os.kill(os.getpid(), signal.SIGINT)))",
    )
    assert done.returncode == 130 and done.stderr.count("\n") == 1, done.stderr


def in_a_process(*lines, **streams):
    program = "\n".join(
        ["import os, signal, sys", "from ddpm_jax.core import ending", *lines]
    )
    start = [sys.executable, "-S", "-c", program]
    return subprocess.run(start, stderr=subprocess.PIPE, text=True, **streams)


def test_an_output_that_is_full_is_one_line_too():
    with open("/dev/full", "w") as full:
        done = in_a_process(
            "sys.exit(ending.status_of(lambda: print(3) or 0))", stdout=full
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: No space left on device: make room")


def test_names_that_cannot_be_shown_are_escaped():
    lines = ("sys.exit(ending.status_of(lambda: print('caf\\udce9 \u00b1') or 0))",)
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = in_a_process(*lines, stdout=subprocess.PIPE, env=env)
    assert (done.returncode, done.stdout) == (0, "caf\\udce9 \\xb1\n"), done.stderr
