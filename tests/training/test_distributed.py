"""Several processes as one run: when they join, and by what."""

import pytest

from ddpm_jax.training import distributed


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
