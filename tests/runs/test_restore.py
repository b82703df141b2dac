"""Models read back from their workdirs: by this run, and by others that start from it."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from ddpm_jax import train
from ddpm_jax.config import schema
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.models import build
from ddpm_jax.runs import restore
from tests import tiny
from tests.kill_and_resume import newest_state

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory):
    """A run with a fixed schedule."""
    path = tmp_path_factory.mktemp("fixed")
    assert train.run(tiny.variational(schedule__name="linear_log_snr"), path) == 0
    return path


def test_a_run_may_start_from_another_ones_network(fixed, tmp_path):
    c = tiny.variational(
        training__start_from=str(fixed),
        training__start_weights="raw",
        training__num_steps=1,
        training__checkpoint_every=1,
        optimizer__learning_rate=1e-30,
    )
    assert train.run(c, tmp_path) == 0
    theirs, ours = newest_state(fixed), newest_state(tmp_path)
    nets = [name for name in ours if name.startswith("['params']['net']")]
    assert nets
    for name in nets:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert "['params']['schedule']['ends']['first']" in ours
    assert ours["['step']"] == 1
    # What it began with is kept: that run may go on.
    assert (tmp_path / "checkpoints" / "0").exists()


def test_a_start_that_does_not_fit_is_refused(fixed, tmp_path):
    with pytest.raises(ConfigError, match=r"start_from = .*nowhere' holds no config"):
        train.run(
            tiny.variational(training__start_from=str(tmp_path / "nowhere")),
            tmp_path / "a",
        )
    with pytest.raises(ConfigError, match=r"another network: conv_out/bias is"):
        train.run(
            tiny.variational(
                training__start_from=str(fixed),
                reverse_variance="learned",
                schedule__num_steps=10,
            ),
            tmp_path / "b",
        )
    for number, text in enumerate(['{"architectures": []}', "not JSON"]):
        other = tmp_path / f"other_{number}"
        other.mkdir()
        (other / "config.json").write_text(text)
        with pytest.raises(ConfigError, match=r"is not a workdir of this program"):
            train.run(tiny.variational(training__start_from=str(other)), tmp_path / "d")
    # Nothing was begun there: the workdir may still be that of another start.
    assert not (tmp_path / "b" / "config.json").exists()
    with pytest.raises(ConfigError, match=r"start_weights = 'ema:0.5' is not one of"):
        train.run(
            tiny.variational(
                training__start_from=str(fixed), training__start_weights="ema:0.5"
            ),
            tmp_path / "c",
        )


def another(leaf):
    """A value that is not the field's default, of its type."""
    value = leaf.default
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, 3)
    return f"{value} too" if isinstance(value, str) else value + 1


OF_X = {
    "data.name",
    "data.image_size",
    "data.center_crop",
    "data.channels",
    "data.stride",
    "decoder.name",
}


@pytest.mark.parametrize("field", sorted(schema.leaves()))
def test_another_runs_data_is_the_same_unless_what_makes_x_differs(field):
    ours, theirs = schema.default(), schema.default()
    with theirs.unlocked():
        theirs.update_from_flattened_dict({field: another(schema.leaves()[field])})
    if field not in OF_X:
        restore.check_same_data("config.a.b = 'c'", ours, theirs)
        return
    message = rf"^config.a.b = 'c' is of other data: config.{field} is .* there and"
    with pytest.raises(ConfigError, match=message) as error:
        restore.check_same_data("config.a.b = 'c'", ours, theirs)
    said = str(error.value)
    assert (
        f"{flat(theirs)[field]!r} there" in said
        and f"{flat(ours)[field]!r} here" in said
    )


@pytest.fixture(scope="module")
def first_state(small_network, one_device):
    c = tiny.config()
    model = build.model(c, build.source(c, "train"))
    return build.training(c, build.mesh(c), model).create()


MEANING = {
    "prediction": "x",
    "model.time_input": "log_snr",
    "model.log_snr_bounds": (-3.0, 3.0),
    "model.time_scale": 7.0,
}
NOT_MEANING = {"ema.decay": 0.5, "schedule.num_steps": 12, "model.label_dropout": 0.3}


@pytest.mark.parametrize("field", [*MEANING, *NOT_MEANING])
def test_a_network_that_has_learned_other_numbers_is_told_of(
    field, first_state, tmp_path, monkeypatch
):
    theirs = tiny.config()
    value = (MEANING | NOT_MEANING)[field]
    theirs.update_from_flattened_dict({field: value})
    (tmp_path / "config.json").write_text(json.dumps(theirs.to_dict()))
    moved = jax.tree.map(lambda a: np.asarray(a) + 1, first_state.params)
    found = dataclasses.make_dataclass("Found", ["params", "step"])(moved, 3)
    monkeypatch.setattr(restore, "_load", lambda *_: found)
    warned = []
    monkeypatch.setattr(restore.logging, "warning", lambda *said: warned.append(said))
    c = tiny.config(training__start_from=str(tmp_path))
    state = restore.start_from(c, first_state)
    if field in MEANING:
        ((text, _, name, then, now),) = warned
        assert "has learned another" in text
        assert (name, then, now) == (field, value, flat(c)[field])
    else:
        assert warned == []
    # The network is theirs, in the parameters and in every average; all else is ours.
    for params in (state.params, *state.ema_params.values()):
        jax.tree.map(np.testing.assert_array_equal, params["net"], moved["net"])
    same = (
        "step",
        "skipped",
        "skipped_in_a_row",
        "opt_state",
        "time_history",
        "window",
    )
    for name in same:
        ours, first = getattr(state, name), getattr(first_state, name)
        jax.tree.map(np.testing.assert_array_equal, ours, first)


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
