import contextlib
import errno
import json
import os
import platform
import subprocess
import sys

import pytest
from etils import epath

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.runs import workdir
from tests import tiny


def test_the_config_is_written_and_the_same_one_may_come_again(tmp_path):
    path = epath.Path(tmp_path)
    workdir.remember_config(path, tiny.config())
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["schedule"]["num_steps"] == 10
    workdir.remember_config(path, tiny.config())


def test_harmless_changes_are_remembered(tmp_path):
    path = epath.Path(tmp_path)
    workdir.remember_config(path, tiny.config())
    changed = tiny.config(training__num_steps=99)
    workdir.check_if_begun(path, changed)
    workdir.remember_config(path, changed)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["training"]["num_steps"] == 99


def test_another_config_is_refused_with_its_differences(tmp_path):
    path = epath.Path(tmp_path)
    workdir.remember_config(path, tiny.config())
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ConfigError) as error:
        workdir.check_if_begun(path, tiny.config(seed=1, prediction="x"))
    assert "config.seed (now 1, then 0)" in str(error.value)
    assert "config.prediction (now 'x', then 'eps')" in str(error.value)
    assert (tmp_path / "config.json").read_bytes() == before


def test_a_workdir_without_a_run_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no config.json: train there first"):
        workdir.config_for_mode(epath.Path(tmp_path), tiny.config())


def test_a_config_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json cannot be read as JSON"):
        workdir.config_for_mode(epath.Path(tmp_path), tiny.config())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"--workdir=.*file/run cannot be written"),
        workdir.claimed(tmp_path / "file" / "run"),
    ):
        pass


HOLD = """
import sys, time
from ddpm_jax.runs import workdir
with workdir.claimed(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_live_process_holds_its_workdir_and_a_dead_one_does_not(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(ConfigError, match=rf"in use by .* process {process.pid}:"),
            workdir.claimed(tmp_path),
        ):
            pass
    finally:
        process.kill()
        process.wait()
    with workdir.claimed(tmp_path) as path:
        assert path == epath.Path(tmp_path)


def test_a_workdir_is_free_again_after_use(tmp_path):
    for _ in range(2):
        with workdir.claimed(tmp_path):
            pass


@pytest.fixture
def without_locks(monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(workdir.fcntl, "flock", flock)


def test_a_file_system_without_locks_is_trained_on_with_a_warning(
    tmp_path, without_locks, caplog
):
    for _ in range(2):
        with workdir.claimed(tmp_path):
            assert f"{os.getpid()} on " in (tmp_path / ".lock").read_text()
    assert caplog.text.count("lies on a file system without locks (Function not") == 2


def test_without_locks_a_live_process_of_this_machine_is_refused_by_its_number(
    tmp_path, without_locks
):
    lock = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as other:
        lock.write_text(f"{other.pid} on {platform.node()}")
        with (
            pytest.raises(ConfigError, match=rf"live process {other.pid}:"),
            workdir.claimed(tmp_path),
        ):
            pass
    # It was killed, and its claim is stale.
    with workdir.claimed(tmp_path):
        pass
    lock.write_text("1 on another-machine")
    with workdir.claimed(tmp_path):
        pass


def test_another_error_of_the_lock_is_not_taken_for_that(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(workdir.fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"), workdir.claimed(tmp_path):
        pass


def begun(tmp_path, name, recorded=True):
    """A workdir whose data is called so, with a record of data or without."""
    path = epath.Path(tmp_path / "run")
    path.mkdir()
    workdir.remember_config(path, tiny.config(data__name=name))
    if recorded:
        record = {"name": name, "shape": [8, 8, 3], "num_values": 256}
        record |= {"classes": [], "splits": {}}
        (path / "data.json").write_text(json.dumps(record))
    return path


def test_data_may_have_moved_where_it_is_recorded_what_they_are(tmp_path):
    path = begun(tmp_path, "folder:/a")
    workdir.check_if_begun(path, tiny.config(data__name="folder:/b"))
    with pytest.raises(ConfigError, match=r"data.image_size \(now 8, then 0\)\. Use"):
        workdir.check_if_begun(
            path, tiny.config(data__name="folder:/b", data__image_size=8)
        )


def test_a_run_that_recorded_no_data_is_known_by_their_name(tmp_path):
    path = begun(tmp_path, "folder:/a", recorded=False)
    with pytest.raises(
        ConfigError, match=r"data.name \(now 'folder:/b', then 'folder:/a"
    ):
        workdir.check_if_begun(path, tiny.config(data__name="folder:/b"))


def test_the_config_follows_data_that_have_moved(tmp_path):
    path = begun(tmp_path, "folder:/a")
    before = json.loads((path / "config.json").read_text())
    workdir.follow_data(path, "folder:/b")
    after = json.loads((path / "config.json").read_text())
    assert after["data"].pop("name") == "folder:/b"
    assert before["data"].pop("name") == "folder:/a" and after == before
    assert json.loads((path / "data.json").read_text())["name"] == "folder:/b"


def test_a_run_that_is_training_or_read_only_is_left_as_it_is(tmp_path, monkeypatch):
    path = begun(tmp_path, "folder:/a")
    before = (path / "config.json").read_bytes()

    @contextlib.contextmanager
    def taken(path):
        raise ConfigError("in use")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(workdir, "claimed", taken)
        workdir.follow_data(path, "folder:/b")
    with monkeypatch.context() as patch:
        patch.setattr(workdir.files, "replace_text", _fail)
        workdir.follow_data(path, "folder:/b")
    assert (path / "config.json").read_bytes() == before


def _fail(*_):
    raise OSError(30, "Read-only file system")


def test_changes_are_accepted_for_one_start(tmp_path):
    path = epath.Path(tmp_path)
    workdir.remember_config(path, tiny.config(data__accept_changes=True))
    saved = json.loads((path / "config.json").read_text())
    assert saved["data"]["accept_changes"] is False
    workdir.check_if_begun(path, tiny.config(data__accept_changes=True))
