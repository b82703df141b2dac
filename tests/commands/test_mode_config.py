"""The config of a command: from the workdir's run, with overrides on top."""

import json

import pytest
from absl import flags

from ddpm_jax.commands import mode_config, modes
from ddpm_jax.core.errors import ConfigError
from tests import tiny


@pytest.fixture
def run(tmp_path):
    """A workdir with a config alone."""
    path = tmp_path / "run"
    path.mkdir()
    c = tiny.config(model__class_conditional=True, optimizer__learning_rate=1)
    (path / "config.json").write_text(json.dumps(c.to_dict()))
    return path


def read(*arguments, mode="sample"):
    values = flags.FlagValues()
    modes.parse(["program", *arguments], values, mode)
    return values


def test_without_a_config_it_is_the_runs_and_overrides_say_what_differs(run):
    values = read(
        f"--workdir={run}",
        "--config.sample.num_steps=7",
        "--config.sample.classes=(3,7)",
        "--config.optimizer.learning_rate=0.5",
    )
    c = values.config
    assert (c.sample.num_steps, c.sample.classes) == (7, (3, 7))
    assert (c.optimizer.learning_rate, c.data.batch_size) == (0.5, 16)
    assert c.model.class_conditional and c.is_locked
    assert read("--workdir", str(run)).config.sample.num_steps == 4


def test_a_config_that_is_given_is_the_one_that_is_read(run):
    given = f"--config={run}/config.json"
    for argv in (
        [given],
        ["--config", f"{run}/config.json"],
        [given.replace("--", "-")],
    ):
        argv = [*argv, "--workdir=/nowhere"]
        assert read(*argv, mode="train").config.data.batch_size == 16
    c = read("--config=configs/digits.py:smoke", f"--workdir={run}").config
    assert c.data.batch_size == 8
    assert mode_config.with_run(["p", "--x"], "given.py", str(run)) == ["p", "--x"]
    with pytest.raises(ConfigError, match=r"^--workdir is missing"):
        mode_config.with_run(["p", "--x"], None, None)


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ["--config.sample.num_step=3"],
            "unknown field config.sample.num_step. Did you",
        ),
        (["--config.sample.num_steps=x"], "flag --config.sample.num_steps=x: "),
        (["--plugins=no_such_plugin"], "--plugins=no_such_plugin: there is no"),
    ],
)
def test_a_wrong_override_is_told_as_beside_a_config(run, arguments, said):
    with pytest.raises((ConfigError, flags.Error)) as error:
        read(f"--workdir={run}", *arguments)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("mode", modes.MODES)
def test_a_workdir_without_a_run_needs_a_config(tmp_path, mode):
    with pytest.raises(ConfigError) as error:
        read(f"--workdir={tmp_path}", "--config.sample.num_steps=3", mode=mode)
    assert str(error.value) == (
        f"--config is missing: write --config=FILE.py, as --workdir={tmp_path} holds no"
        " config.json of a run whose config it could be."
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "config.json cannot be read as JSON: "),
        ("[1]", "config.json is no config of this program: "),
        (
            '{"data": {"old": 1}}',
            "program: config.data.old is no field of this version.",
        ),
    ],
)
def test_a_config_that_cannot_be_read_is_told_in_one_line(run, text, said):
    (run / "config.json").write_text(text)
    with pytest.raises(ConfigError) as error:
        read(f"--workdir={run}")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_override_of_no_effect_is_warned_of_and_the_runs_value_counts(
    run, monkeypatch
):
    said = []
    monkeypatch.setattr(
        mode_config.logging, "warning", lambda text, *given: said.append(text % given)
    )
    fields = ["seed=1", "training.num_steps=9", "sample.num_steps=7", "ema.decay=0.9"]
    values = read(f"--workdir={run}", *(f"--config.{field}" for field in fields))
    c = mode_config.of_run(values, "sample")
    assert said == [
        "config.seed = 1 is of no effect on this mode: of the run it is 0;"
        " config.sample.seed is this mode's own",
        "config.training.num_steps = 9 is of no effect on this mode: of the run it is 6",
    ]
    assert (c.seed, c.training.num_steps, c.sample.num_steps) == (0, 6, 7)
    # What a config file says otherwise of the training is the run's, without a word.
    said.clear()
    other = run.parent / "other.json"
    other.write_text(
        json.dumps(tiny.config(seed=5, model__class_conditional=True).to_dict())
    )
    assert (
        mode_config.of_run(read(f"--config={other}", f"--workdir={run}"), "sample").seed
        == 0
    )
    assert said == []


def test_another_model_is_refused_by_the_fields_name(run):
    values = read(f"--workdir={run}", "--config.prediction=v")
    with pytest.raises(
        ConfigError, match=r"config\.prediction \(now 'v', then 'eps'\)"
    ):
        mode_config.of_run(values, "sample")


def test_an_override_that_is_written_empty_is_told(run, monkeypatch):
    warned = []
    monkeypatch.setattr(
        mode_config.logging, "warning", lambda t, *a: warned.append(t % a)
    )
    values = read(
        f"--workdir={run}",
        "--config.training.start_from=",
        "--config.sample.folder= ",
        "--config.sample.num_steps=7",
        "--config.sample.classes=()",
    )
    mode_config.warn_of_empty(values)
    assert warned == [
        f"--config.{field}= is written empty: is the variable set that it came from?"
        for field in ("training.start_from", "sample.folder")
    ]
