"""What a person sees of a run: our lines, libraries' warnings, and every error."""

import logging
import os
import re
import subprocess
import sys

import pytest
import tqdm
from absl import logging as absl_logging

from ddpm_jax.core import terminal

DATED = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
OURS = "/home/jax/project/ddpm_jax/train.py"


def installed(library, folder="site-packages"):
    return f"/usr/lib/python3/{folder}/{library}/part/module.py"


def said(capsys, path, level, message="a message"):
    """What a record of a file comes out as."""
    record = logging.LogRecord("any", level, path, 1, message, None, None)
    terminal.Handler().handle(record)
    return capsys.readouterr().err


@pytest.mark.parametrize(
    "path, least",
    [
        # The project may lie in a folder of any name, and may be installed.
        (OURS, logging.INFO),
        ("main.py", logging.INFO),
        ("/home/me/plugins/orbax/sampler.py", logging.INFO),
        (installed("ddpm_jax"), logging.INFO),
        (installed("jax"), logging.WARNING),
        (installed("grain", "dist-packages"), logging.WARNING),
        (installed("orbax"), logging.ERROR),
    ],
)
def test_a_record_is_heard_from_its_librarys_level_on(capsys, path, least):
    for level in (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        assert bool(said(capsys, path, level)) == (level >= least), level


@pytest.mark.parametrize(
    "level, start",
    [
        (logging.INFO, ""),
        (logging.WARNING, "warning: "),
        (logging.ERROR, "error: "),
        (logging.CRITICAL, "critical: "),
    ],
)
def test_a_line_has_its_date_and_how_grave_it_is(capsys, level, start):
    line = said(capsys, OURS, level, "step 3: %s")
    assert re.fullmatch(f"{DATED}{start}step 3: %s\n", line)


def test_a_traceback_comes_with_its_error(capsys):
    try:
        raise ValueError("the cause")
    except ValueError:
        error = sys.exc_info()
    record = logging.LogRecord("any", logging.ERROR, OURS, 1, "it failed", None, error)
    terminal.Handler().handle(record)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f"{DATED}error: it failed", lines[0])
    assert lines[1].startswith("Traceback") and lines[-1] == "ValueError: the cause"


def test_an_error_from_outside_is_told_where_it_arrives_and_not_by_libraries(capsys):
    for path in (installed("orbax"), "/usr/lib/python3/asyncio/base_events.py"):
        for cause, heard in (
            (OSError(28, "No space left"), False),
            (RuntimeError("Event loop is closed"), False),
            (KeyError(1), True),
        ):
            error = (type(cause), cause, None)
            record = logging.LogRecord("x", 40, path, 1, "it failed", None, error)
            terminal.Handler().handle(record)
            assert bool(capsys.readouterr().err) == heard


def test_a_line_stands_above_a_progress_bar(capsys):
    with tqdm.tqdm(total=3, desc="training", file=sys.stderr, mininterval=0) as bar:
        bar.update()
        capsys.readouterr()
        line = said(capsys, OURS, logging.INFO)
    # The bar is wiped first, and drawn anew below the line.
    cleared, own = line.split("\n")[0].rsplit("\r", 1)
    assert not cleared.strip() and re.fullmatch(f"{DATED}a message", own)
    assert "training:" in line.split("\n")[1]


def in_a_program(*lines, start="app.run(main)", **environment):
    """Standard error of a program of these lines, after `begin_log`, by default of absl's."""
    program = [
        "import os, logging, sys",
        "from absl import app, logging as absl_logging",
        "from ddpm_jax.core import terminal",
        "def main(_):",
        "    terminal.quiet_libraries()",
        "    logging.debug('unheard, but Python adds a handler of its own')",
        "    terminal.begin_log()",
        *(f"    {line}" for line in lines),
        start,
    ]
    env = {k: v for k, v in os.environ.items() if k not in terminal.ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        env=env | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("start", ["app.run(main)", "main([])"])
def test_each_record_is_written_once_whoever_logs_it(start):
    lines = in_a_program(
        "terminal.begin_log()",
        "absl_logging.info('by absl')",
        "absl_logging.error('an error by absl')",
        "logging.getLogger('other').info('by another logger')",
        start=start,
    )
    ends = [re.sub(DATED, "", line) for line in lines]
    assert ends == ["by absl", "error: an error by absl", "by another logger"]


def test_the_users_environment_goes_first():
    show = (
        "print(*(os.environ[name] for name in terminal.ENVIRONMENT), file=sys.stderr)"
    )
    assert in_a_program(show) == ["2 0"]
    assert in_a_program(show, TF_CPP_MIN_LOG_LEVEL="0") == ["0 0"]


def test_libraries_are_left_out_of_a_log_that_is_somebody_elses(caplog):
    logger = absl_logging.get_absl_logger()
    before = logger.filters[:]
    try:
        terminal.leave_out_libraries()
        for path in (installed("orbax"), OURS):
            logger.handle(logger.makeRecord("absl", 30, path, 1, path, (), None))
    finally:
        logger.filters[:] = before
    assert [record.message for record in caplog.records] == [OURS]
