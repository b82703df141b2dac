"""A line of the run's history for each start, with all that changed."""

import json
import logging
import shutil

import pytest
from etils import epath

from ddpm_jax import train
from ddpm_jax.core import loaded_plugins
from ddpm_jax.runs import history, workdir
from tests import tiny


def lines(path):
    return [
        json.loads(line)
        for line in (path / "history.jsonl").read_text().split("\n")[:-1]
    ]


def test_a_start_is_told_with_its_step_time_devices_and_versions(tmp_path, monkeypatch):
    workdir.begin(epath.Path(tmp_path), tiny.config(), 0)
    (line,) = lines(tmp_path)
    assert list(line) == ["step", "time", "changed", "devices", "versions"]
    assert (line["step"], line["changed"]) == (0, {})
    assert line["time"].endswith("+00:00") and len(line["time"]) == 25
    assert line["devices"] == {"number": 8, "kind": "cpu", "processes": 1}
    assert {"python", "ddpm_jax", "jax", "flax", "optax"} <= line["versions"].keys()
    monkeypatch.setattr(loaded_plugins, "identity", lambda: {"plugins": "mine"})
    workdir.begin(epath.Path(tmp_path), tiny.config(), 3)
    assert lines(tmp_path)[1]["plugins"] == "mine"


def test_each_change_is_in_the_history_and_in_the_log(tmp_path, caplog):
    path = epath.Path(tmp_path)
    workdir.begin(path, tiny.config(), 0)
    workdir.begin(path, tiny.config(), 2)
    with caplog.at_level(logging.INFO, logger="absl"):
        longer = tiny.config(training__num_steps=99, eval__num_draws=4)
        workdir.begin(path, longer, 6)
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "from step 6 on, config.eval.num_draws (now 4, then 2)",
        "from step 6 on, config.training.num_steps (now 99, then 6)",
    ]
    assert [(line["step"], line["changed"]) for line in lines(tmp_path)] == [
        (0, {}),
        (2, {}),
        (
            6,
            {
                "eval.num_draws": {"from": 2, "to": 4},
                "training.num_steps": {"from": 6, "to": 99},
            },
        ),
    ]


def test_what_a_kill_cut_keeps_its_own_line(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"step": 0}\n{"ste')
    history.add(epath.Path(tmp_path), 4, {})
    *before, last = (tmp_path / "history.jsonl").read_text().splitlines()
    assert before == ['{"step": 0}', '{"ste'] and json.loads(last)["step"] == 4


def test_a_kill_between_history_and_config_loses_no_change(tmp_path, monkeypatch):
    path = epath.Path(tmp_path)
    workdir.begin(path, tiny.config(), 0)
    longer = tiny.config(training__num_steps=99)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(workdir.files, "replace_text", killed)
        with pytest.raises(KeyboardInterrupt):
            workdir.begin(path, longer, 6)
    assert "training.num_steps" in lines(tmp_path)[-1]["changed"]


def test_a_run_that_goes_on_adds_a_line_and_its_metrics_stay(
    plain_run, tmp_path, small_network, one_device
):
    """Of a run without a history, as by an earlier version, the first line is of now."""
    run = tmp_path / "run"
    shutil.copytree(plain_run, run)
    (run / "history.jsonl").unlink()
    metrics = (run / "metrics.jsonl").read_bytes()
    c = tiny.config(training__num_steps=2, data__num_prefetch=3)
    assert train.run(c, run) == 0
    (line,) = lines(run)
    assert line["step"] == 2
    assert line["changed"] == {"data.num_prefetch": {"from": 2, "to": 3}}
    assert (run / "metrics.jsonl").read_bytes() == metrics
    assert json.loads((run / "config.json").read_text())["data"]["num_prefetch"] == 3
