"""Models read back from their workdirs: by this run, and by others that start from it."""

import functools
import json
import shutil

import jax
import numpy as np
import pytest
from etils import epath

from ddpm_jax import train
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.models import build
from ddpm_jax.runs import restore
from tests import tiny
from tests.sampling import guided

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_weights_that_there_are_not_and_steps_that_there_are_not(tmp_path):
    c = tiny.config()
    with pytest.raises(ConfigError, match=r"holds no config.json: train there first"):
        restore.load(c, tmp_path, step=-1, weights="ema")
    (tmp_path / "config.json").write_text(json.dumps(c.to_dict()))
    with pytest.raises(
        ConfigError, match=r"weights 'best' are none of raw, ema, ema:0.9"
    ):
        restore.load(c, tmp_path, step=-1, weights="best")
    with pytest.raises(ConfigError, match=r"holds no checkpoint: train there first"):
        restore.load(c, tmp_path, step=-1, weights="ema")


def test_another_runs_devices_are_this_runs_and_older_fields_are_as_by_default(
    tmp_path,
):
    ours, theirs = tiny.config(parallel__fsdp=2), tiny.config(parallel__fsdp=8)
    text = theirs.to_dict()
    del text["sample"]["task"]
    (tmp_path / "config.json").write_text(json.dumps(text))
    found = restore.config_of("field", tmp_path, ours)
    assert found.parallel.fsdp == 2 and found.sample.task == "generate"


def test_what_another_run_says_is_told_of_the_field_that_named_it():
    with (
        pytest.raises(ConfigError, match=r"^config.a cannot be read: one line$"),
        restore.errors_about("config.a"),
    ):
        raise RuntimeError("one line\nand another")


def copied(run, tmp_path, **changes):
    """A copy of a run whose record of data has other entries."""
    path = tmp_path / "copy"
    shutil.copytree(run, path)
    record = json.loads((path / "data.json").read_text())
    record.update(changes)
    (path / "data.json").write_text(json.dumps(record))
    return path


def test_a_run_that_recorded_its_data_is_restored_without_them(plain_run, monkeypatch):
    def opened(*_):
        raise ConfigError("config.data.name: there is no folder")

    c = tiny.config(data__name="folder:/gone")
    monkeypatch.setattr(build, "source", opened)
    found = restore.load(c, plain_run, step=-1, weights="ema")
    assert found.step == 2 and found.model.shape == found.data.shape == (8, 8, 1)
    assert found.data.class_names == tuple("0123456789")
    # What needs examples says that they are not there.
    with pytest.raises(ConfigError, match="there is no folder"):
        _ = found.source


def test_a_checkpoint_is_the_one_whose_step_is_asked_for(told_run):
    newest, earlier = (
        restore.load(guided.config(), told_run, step=step, weights="raw")
        for step in (-1, 2)
    )
    assert (newest.step, earlier.step) == (4, 2)
    pairs = zip(
        jax.tree.leaves(newest.params), jax.tree.leaves(earlier.params), strict=True
    )
    assert all(np.any(a != b) for a, b in pairs)


def test_a_run_of_an_earlier_version_opens_its_data(plain_run, tmp_path):
    path = copied(plain_run, tmp_path)
    (path / "data.json").unlink()
    found = restore.load(tiny.config(), path, step=-1, weights="ema")
    assert len(found.source) == 360 and found.data.num_classes == 10


def test_a_run_whose_data_changed_goes_on_only_if_that_is_accepted(
    plain_run, tmp_path, monkeypatch
):
    splits = json.loads((plain_run / "data.json").read_text())["splits"]
    assert splits["train"] == build.source(tiny.config(), "train").identity
    splits["train"]["num_examples"] = 1436
    path = copied(plain_run, tmp_path, splits=splits)
    before = (path / "config.json").read_bytes()
    longer = tiny.config(training__num_steps=3)
    with pytest.raises(
        ConfigError, match=r"'digits' has changed .* 1437 examples, not 14"
    ):
        train.run(longer, path)
    assert (path / "config.json").read_bytes() == before
    accepting = tiny.config(training__num_steps=2, data__accept_changes=True)
    assert train.run(accepting, path) == 0
    record = json.loads((path / "data.json").read_text())
    assert record["splits"]["train"]["num_examples"] == 1437


def test_another_run_is_known_by_its_data_not_by_their_place(sorter_run, tmp_path):
    ours = restore.data_record.data_of(epath.Path(sorter_run), tiny.sorting())
    ask = functools.partial(
        restore.other_classifier, "config.a", data=ours, step=-1, weights="ema"
    )
    assert ask(sorter_run, tiny.config()).step == 2
    names = [*"abcdefghij"]
    other = copied(sorter_run, tmp_path, classes=names)
    with pytest.raises(
        ConfigError, match=r"^config.a is of other data .*'a', 'b', 'c' and"
    ):
        ask(other, tiny.config())
    with pytest.raises(
        ConfigError, match=r"config\.a has other classes: 0 is 'a' there"
    ):
        restore.other_classifier(
            *("config.a", other, tiny.config(), build.source(tiny.config(), "test")),
            **dict(step=-1, weights="ema"),
        )
    assert ask(other, tiny.config(data__accept_changes=True)).step == 2


def test_other_runs_are_restored_without_their_data(
    plain_run, sorter_run, tmp_path, monkeypatch
):
    def opened(*_):
        raise AssertionError("the data are opened")

    monkeypatch.setattr(build, "source", opened)
    ours = restore.data_record.data_of(epath.Path(plain_run), tiny.config())
    c = tiny.config()
    for ask, run in (
        (restore.other_denoiser, plain_run),
        (restore.other_classifier, sorter_run),
    ):
        assert ask("field", run, c, ours, step=-1, weights="ema").step == 2
    # The network of another run, too, of whatever data.
    theirs = restore.config_of("field", plain_run, c)
    found = restore._load(theirs, plain_run, build.backbone, -1, "ema")
    assert found.step == 2
