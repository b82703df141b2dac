import os
import signal

import pytest

from ddpm_jax.training.interrupts import StopRequest


@pytest.mark.parametrize(
    "number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_is_a_wish_with_a_status(number, status):
    with StopRequest(num_processes=1) as stop:
        assert stop.exit_status(1) is None
        os.kill(os.getpid(), number)
        assert stop.exit_status(2) == status


def test_a_second_interrupt_is_at_once():
    with StopRequest(num_processes=1) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.exit_status(1) == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            stop.exit_status(2)


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest(num_processes=1):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
