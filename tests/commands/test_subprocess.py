"""A child process: its output, its status, and signals that go on to it."""

import os
import signal
import sys
import threading

import pytest

from ddpm_jax.commands.subprocess import Child


def test_the_childs_output_goes_to_the_log_and_its_status_comes_back(tmp_path):
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with (tmp_path / "log").open("wb") as log, Child() as child:
        assert child.run([sys.executable, "-c", program], log) == 3
        assert child.received == 0
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_child_as_sigterm_and_handlers_come_back(number, tmp_path):
    before = signal.getsignal(number)
    program = "import time; print('up', flush=True); time.sleep(60)"
    with (tmp_path / "log").open("wb") as log, Child() as child:
        timer = threading.Timer(0.5, os.kill, (os.getpid(), number))
        timer.start()
        assert child.run([sys.executable, "-c", program], log) == -signal.SIGTERM
        assert child.received == number
    assert signal.getsignal(number) is before
