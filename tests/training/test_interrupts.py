import os
import signal

import pytest

from ddpm_jax.training import distributed
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


def test_one_process_alone_joins_nothing(monkeypatch):
    for name in ("SLURM_STEP_ID", "TPU_WORKER_HOSTNAMES"):
        monkeypatch.delenv(name, raising=False)

    def fail(*_):
        raise AssertionError("initialised")

    monkeypatch.setattr(distributed.jax.distributed, "initialize", fail)
    distributed.initialize()


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"},
        {"TPU_WORKER_HOSTNAMES": "host-0,host-1"},
    ],
)
def test_a_cluster_is_recognised(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    calls = []
    monkeypatch.setattr(
        distributed.jax.distributed, "initialize", lambda *a: calls.append(a)
    )
    distributed.initialize()
    assert calls == [()]


def test_half_an_address_is_refused():
    with pytest.raises(ValueError, match=r"--process_id=None go together"):
        distributed.initialize("host:1", 2, None)
