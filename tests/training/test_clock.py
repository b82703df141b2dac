import time

import jax.numpy as jnp
import pytest

from ddpm_jax.training import clock
from ddpm_jax.training.clock import Clock, Profile


@pytest.fixture
def now(monkeypatch):
    """A clock that the test sets, in seconds."""
    times = {"now": 0.0}
    monkeypatch.setattr(time, "perf_counter", lambda: times["now"])
    return times


def test_rates_leave_out_compilation_and_pauses(now):
    c = Clock(batch_size=8, start=100, num_steps=200)
    now["now"] = 50.0
    c.compiled(jnp.zeros(()))
    now["now"] = 60.0
    with c.paused():
        now["now"] = 1000.0
    now["now"] = 1010.0
    # 20 steps since the one that compiled, in 20 seconds.
    row = c.row(121)
    assert row["images_per_second"] == 8.0
    assert row["minutes_left"] == 79 / 60
    now["now"] = 1015.0
    assert c.row(131)["images_per_second"] == 16.0


def test_a_row_right_after_compiling_has_no_rate(now):
    c = Clock(batch_size=8, start=0, num_steps=10)
    c.compiled(jnp.zeros(()))
    row = c.row(1)
    assert row["images_per_second"] is None and row["minutes_left"] is None
    assert row["memory_gib"] > 0


def test_memory_is_in_bytes():
    # This process holds JAX: more than 50 MB, less than the machine.
    assert 50e6 < clock.peak_memory_bytes() < 1e12


@pytest.mark.long
def test_a_profile_covers_the_steps_asked_for(tmp_path):
    with Profile(tmp_path, 2) as profile:
        for step in range(1, 9):
            jnp.ones(3).sum().block_until_ready()
            profile.after_step(step)
    assert list(tmp_path.rglob("*.xplane.pb"))


@pytest.mark.long
def test_a_profile_that_the_run_outlives_is_closed(tmp_path):
    with Profile(tmp_path, 100) as profile:
        for step in range(1, clock.PROFILE_AFTER + 2):
            profile.after_step(step)
    with Profile(tmp_path, 1) as again:
        again.after_step(clock.PROFILE_AFTER)


def test_no_profile_by_default(tmp_path):
    with Profile(tmp_path, 0) as profile:
        for step in range(20):
            profile.after_step(step)
    assert list(tmp_path.iterdir()) == []
