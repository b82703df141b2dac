"""Runs that start from another: with its network, or where it was, to the bit."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from ddpm_jax import train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.models import build
from ddpm_jax.runs import starting
from tests import tiny
from tests.kill_and_resume import newest_state
from tests.sampling import guided

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
    of_theirs = dataclasses.replace(
        first_state, params=moved, ema_params={"0.9": moved, "0.5": moved}
    )
    found = dataclasses.make_dataclass("Found", ["state", "step"])(of_theirs, 3)
    monkeypatch.setattr(starting.restore, "checkpoint", lambda *_: found)
    warned = []
    monkeypatch.setattr(starting.logging, "warning", lambda *said: warned.append(said))
    c = tiny.config(training__start_from=str(tmp_path))
    state = starting.start_from(c, first_state)
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


DECAYING = {
    "optimizer__decay": "wsd",
    "optimizer__wsd__steps": 2,
    "training__num_steps": 4,
}


def branch(trunk, path, **changes):
    """Goes on with a decay in the workdir at `path`, from a checkpoint of a constant rate."""
    c = tiny.config(
        training__start_from=str(trunk),
        training__start_with="state",
        **(DECAYING | changes),
    )
    assert train.run(c, path) == 0
    return newest_state(path)


def logged_by(monkeypatch):
    """All that is logged from here on, libraries' notes too."""
    lines = []

    def note(text, *values):
        lines.append(str(text) % values if values else str(text))

    for level in ("info", "warning"):
        monkeypatch.setattr(starting.logging, level, note)
    return lines


def rows(path):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_branch_is_to_the_bit_a_run_of_that_length(plain_run, tmp_path):
    assert train.run(tiny.config(**DECAYING), tmp_path / "whole") == 0
    whole = newest_state(tmp_path / "whole")
    copy = tmp_path / "copy"
    shutil.copytree(plain_run, copy)
    found = branch(copy, tmp_path / "branch")
    assert found["['step']"] == 4 and found.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    # The rate has gone down, and the row of all four steps is that of the whole run.
    assert rows(tmp_path / "branch") == rows(tmp_path / "whole")
    by_hand = 2e-3 * (0.5 + 1 + 1 + 1 - 0.5**0.5) / 4
    np.testing.assert_allclose(
        rows(tmp_path / "branch")[0]["learning_rate"], by_hand, rtol=1e-6
    )
    assert (tmp_path / "branch" / "parameters.txt").exists()
    # It needs the other run no longer.
    shutil.rmtree(copy)
    shutil.rmtree(tmp_path / "branch" / "checkpoints" / "4")
    again = branch(copy, tmp_path / "branch")
    for name, array in whole.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)


@pytest.mark.long
def test_a_branch_may_begin_at_any_checkpoint_and_is_told(told_run, monkeypatch):
    logged = logged_by(monkeypatch)
    field = f"config.training.start_from = {str(told_run)!r}"
    c = tiny.config(
        **guided.LEARNING,
        **(DECAYING | {"training__num_steps": 6}),
        training__start_from=str(told_run),
        training__start_with="state",
        training__start_step=2,
    )
    model = build.model(c, build.source(c, "train"))
    first = build.training(c, build.mesh(c), model).create()
    begun = starting.start_from(c, first)
    assert int(begun.step) == 2
    assert logged[-1] == f"the state is that of {told_run} at step 2"
    told = "config.optimizer.decay (now 'wsd', then 'constant')"
    assert f"otherwise than in {field}: {told}" in logged
    said = [line for line in logged if line.startswith("the learning rate")]
    assert said == ["the learning rate: its decay is by 6 steps, no longer 4"]
    # The decay has begun before.
    c.training.update(start_step=4, num_steps=5)
    logged.clear()
    assert int(starting.start_from(c, first).step) == 4
    said = [line for line in logged if line.startswith("the learning rate")]
    assert said == [
        "the learning rate: its decay is by 5 steps, no longer 4; the next is 0.0146"
        " instead of 0.05"
    ]


@pytest.mark.long
def test_a_run_that_is_made_longer_goes_on_at_the_longer_runs_rate(
    plain_run, tmp_path, monkeypatch
):
    logged, path = logged_by(monkeypatch), tmp_path / "run"
    shutil.copytree(plain_run, path)
    # Its state is that of any decay after two steps of warm-up.
    cosine = {"optimizer__decay": "cosine", "training__num_steps": 4}
    short = tiny.config(**(cosine | {"training__num_steps": 2}))
    (path / "config.json").write_text(json.dumps(short.to_dict()))
    assert train.run(tiny.config(**cosine), path) == 0
    said = [line for line in logged if "rate" in line]
    assert said == [
        "the learning rate: its decay is by 4 steps, no longer 2",
    ]
    rate = rows(path)[-1]["learning_rate"]
    np.testing.assert_allclose(rate, 2e-3 * (0.5 + 1 + 1 + 0.5) / 4, rtol=1e-6)
    # A decay that ended before is told in a line, from the step on.
    ended = tiny.config(**(cosine | {"training__num_steps": 5}))
    ended.optimizer.decay_steps = 4
    logged.clear()
    assert train.run(ended, path) == 0
    told = [line for line in logged if "nothing is learned" in line]
    assert told == [
        "config.optimizer.decay_steps = 4: the learning rate is 0, so that nothing is"
        " learned, from step 5 to the end, config.training.num_steps = 5; with"
        " decay_steps = 0 it decays until then"
    ]
    logged.clear()
    assert train.run(tiny.config(**(cosine | {"training__num_steps": 3})), path) == 0
    told = [line for line in logged if "num_steps = 3" in line]
    assert told == [
        "config.training.num_steps = 3: the run is at step 5 already, so nothing is trained"
    ]


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"training__num_steps": 2, "optimizer__decay": "constant"},
            r"num_steps = 2: .* is at step 2 already; write more",
        ),
        ({"training__start_step": 3}, r"start_from = .* cannot be read: .*3"),
        ({"ema__extra_decays": (0.5,)}, r"another state: ema_params/0.5/net/.* is abs"),
        (
            {"optimizer__name": "lion"},
            r"another state: opt_state/.*start_with = 'network'",
        ),
    ],
)
def test_a_branch_that_cannot_be_is_refused(changes, said, plain_run, tmp_path):
    with pytest.raises(ConfigError, match=said) as error:
        branch(plain_run, tmp_path / "a", **changes)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a" / "config.json").exists()


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"start_with": "state"},
            "start_with = 'state' needs config.training.start_from",
        ),
        ({"start_step": 0}, "start_step = 0 needs config.training.start_from, a run's"),
        (
            {"start_with": "all"},
            "start_with = 'all' is not one of ['network', 'state']",
        ),
    ],
)
def test_a_start_from_nowhere_is_refused(changes, said):
    with pytest.raises(ConfigError) as error:
        check_config(tiny.config(**{f"training__{k}": v for k, v in changes.items()}))
    assert said in str(error.value)
