import json
import logging
import math
import re

import jax
import numpy as np
import pytest
from etils import epath
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.util import tensor_util

from ddpm_jax.core import files
from ddpm_jax.training import writers
from ddpm_jax.training.writers import METRICS, PARAMETERS, SPEED, Writers


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_are_one_json_object_a_line(tmp_path):
    w = Writers(tmp_path, resume_step=0)
    w.metrics(1, {"loss": 0.5})
    w.metrics(2, {"loss": math.nan, "grad_norm": None})
    w.speed(2, {"images_per_second": 9.0})
    w.close()
    assert rows(tmp_path / METRICS) == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": None, "grad_norm": None},
    ]
    assert rows(tmp_path / SPEED) == [{"step": 2, "images_per_second": 9.0}]


def test_numbers_keep_all_their_digits(tmp_path):
    value = float(np.float32(1) / 3)
    w = Writers(tmp_path, resume_step=0)
    w.metrics(1, {"loss": value})
    w.close()
    assert rows(tmp_path / METRICS)[0]["loss"] == value


def test_resuming_cuts_later_rows_and_a_torn_line(tmp_path):
    w = Writers(tmp_path, resume_step=0)
    for step in (10, 20, 30):
        w.metrics(step, {"loss": float(step)})
    w.close()
    whole = (tmp_path / METRICS).read_bytes()
    with (tmp_path / METRICS).open("a") as f:
        f.write('{"step": 40, "lo')
    w = Writers(tmp_path, resume_step=20)
    w.metrics(30, {"loss": 30.0})
    w.close()
    assert (tmp_path / METRICS).read_bytes() == whole


def test_resuming_at_the_last_row_changes_nothing(tmp_path):
    path = epath.Path(tmp_path / METRICS)
    path.write_text('{"step": 10, "loss": 1.0}\n')
    before = (tmp_path / METRICS).stat().st_mtime_ns
    writers.keep_rows_up_to(path, 10)
    assert (tmp_path / METRICS).stat().st_mtime_ns == before


def test_it_knows_which_rows_it_has(tmp_path):
    w = Writers(tmp_path, resume_step=0)
    w.metrics(1, {"loss": 0.5})
    w.metrics(1, {"eval/x": 0.5})
    assert w.has_row(1, "loss") and w.has_row(1, "eval/x")
    assert not w.has_row(2, "loss") and not w.has_row(1, "other")
    w.close()


def test_tensorboard_gets_the_same_numbers_and_pictures(tmp_path):
    w = Writers(tmp_path, resume_step=0)
    w.metrics(3, {"loss": 0.25})
    w.image(3, "samples", np.zeros((4, 4, 3), np.uint8))
    w.close()
    found = event_accumulator.EventAccumulator(
        str(tmp_path), size_guidance={"tensors": 0}
    )
    found.Reload()
    assert set(found.Tags()["tensors"]) >= {"loss", "samples"}
    (event,) = found.Tensors("loss")
    assert event.step == 3
    assert tensor_util.make_ndarray(event.tensor_proto) == 0.25


def test_parameters_go_to_a_file_and_their_number_to_the_log(tmp_path, caplog):
    shapes = {"net": {"kernel": (3, 3, 1, 40)}, "schedule": {"slope": (7,)}}
    params = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, np.float32),
        shapes,
        is_leaf=lambda value: isinstance(value, tuple),
    )
    w = Writers(tmp_path, resume_step=0)
    with caplog.at_level(logging.INFO, logger="absl"):
        w.parameters(params)
    w.close()
    listed = (tmp_path / PARAMETERS).read_text()
    assert re.search(r"net/kernel +\| \(3, 3, 1, 40\) \| float32 \| 360 ", listed)
    assert re.search(r"schedule/slope +\| \(7,\) ", listed)
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"367 parameters, listed in {tmp_path / PARAMETERS}"]


def test_what_goes_to_a_file_is_not_repeated_in_the_log(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="absl"):
        w = Writers(tmp_path, resume_step=0)
        w.metrics(1, {"loss": 0.5})
        w.speed(1, {"images_per_second": 9.0})
        w.image(1, "samples", np.zeros((4, 4, 3), np.uint8))
        w.close()
    assert not caplog.records


def test_a_line_for_a_person_has_what_is_known():
    scalars = {
        "loss": 2.34567,
        "grad_norm": 9.0,
        "skipped_steps": 0,
        "images_per_second": 211.7,
        "minutes_left": 3.26,
        "memory_gib": 2.0,
    }
    line = writers.progress_line(scalars)
    assert line == "loss 2.3457, 212 images/s, 3.3 minutes left"
    few = {"loss": None, "skipped_steps": 3, "minutes_left": 0.0}
    assert writers.progress_line(few) == "3 steps skipped, 0.0 minutes left"


def test_text_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = epath.Path(tmp_path / "a.json")
    files.replace_text(path, "old")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError):
        files.replace_text(path, "new")
    assert path.read_text() == "old"
