"""Sweeps: what runs a file says, and how they are run, by a program that does little."""

import json
import pathlib
import signal
import types

import pytest
from etils import epath

from ddpm_jax.commands import sweep, sweep_file
from ddpm_jax.config import files, plugins
from tests import evaluation_files, plugin_files, tiny

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = """
from ddpm_jax import config

def get_config():
    c = config.default()
    c.training.num_steps = 4
    c.data.center_crop = 5
    return c
"""
# Appends what it was asked to "commands". With a file "fail" or "stop" beside it, it does so
# in the training of seed 1: "stop" has the number of a signal, which the sweep is to get.
PROGRAM = """
import ast, json, os, pathlib, signal, sys, time
mode, *arguments = sys.argv[1:]
flags = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
workdir = pathlib.Path(flags["workdir"])
config = json.loads(pathlib.Path(flags["config"]).with_suffix(".json").read_text())
for name, value in flags.items():
    if name.startswith("config."):
        if not value[0].isalpha():
            value = ast.literal_eval(value)
        *path, last = name[7:].split(".")
        group = config
        for part in path:
            group = group[part]
        group[last] = value
with open("commands", "a") as commands:
    print(mode, workdir.name, file=commands)
print("this is", mode)
if mode == "eval":
    report = json.loads(pathlib.Path("report.json").read_text())
    report["bits_per_dim"] = None if os.path.exists("no figure") else config["seed"]
    (workdir / "eval").mkdir(exist_ok=True)
    step = config["training"]["num_steps"]
    (workdir / "eval" / f"{step}.json").write_text(json.dumps(report))
    sys.exit()
(workdir / "config.json").write_text(json.dumps(config))
if config["seed"] == 1 and os.path.exists("fail"):
    sys.exit("line one\\nthe reason")
checkpoint = workdir / "checkpoint"
if config["seed"] == 1 and os.path.exists("stop") and not checkpoint.exists():
    def stop(number, frame):
        checkpoint.write_text("")
        sys.exit(128 + number)
    signal.signal(signal.SIGTERM, stop)
    os.kill(os.getppid(), int(pathlib.Path("stop").read_text()))
    time.sleep(60)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a config, a program and its report; the sweeps' current directory."""
    file = tmp_path / "config.py"
    file.write_text(CONFIG)
    # What the program takes in its place: it is started often, and imports nothing of ours.
    whole = files.read_config(str(file)).to_dict()
    file.with_suffix(".json").write_text(json.dumps(whole))
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setattr(sweep, "PROGRAM", ("program.py",))
    (tmp_path / "report.json").write_text(
        json.dumps(evaluation_files.report(evaluation_files.halves(1), terms=["prior"]))
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(here, **changes):
    """Writes a sweep file of two seeds, or of what `changes` say; its path."""
    found = {"config": "config.py", "overrides": {}, "grids": [{"seed": [0, 1]}]}
    (here / "file.py").write_text(f"def get_sweep():\n    return {found | changes!r}\n")
    return "file.py"


def swept(*arguments):
    return sweep.main(["file.py", "--workdir=runs", *arguments])


def commands(here):
    """What the program was asked since the last call."""
    file = here / "commands"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def test_each_run_is_trained_and_evaluated_once_and_stands_in_the_table(here, capsys):
    write(here, grids=[{"seed": [0, 2]}, {"data.stride": [8, 4]}])
    assert swept() == 0
    assert commands(here) == [
        f"{mode} {name}"
        for name in ("seed=0", "seed=2", "data.stride=4")
        for mode in ("train", "eval")
    ]
    out = capsys.readouterr().out
    assert "3 runs in runs, 0 of them done before" in out
    assert "1/3 seed=0 ... done; 0 min left" in out
    rows = json.loads((here / "runs" / "table.json").read_text())
    assert [row["name"] for row in rows] == ["seed=0", "seed=2", "data.stride=4"]
    assert [row["bits_per_dim"] for row in rows] == [0.0, 2.0, 0.0]
    error = f"{rows[0]['stderr']:.4f}"
    table = (here / "runs" / "table.md").read_text()
    assert error in table and error in out
    assert "- seed=0 is also data.stride=8" in table and "also" in out
    assert (here / "runs" / "table.png").read_bytes().startswith(b"\x89PNG")
    log = (here / "runs" / "seed=2" / "log.txt").read_text()
    assert log == "this is train\nthis is eval\n"

    assert swept() == 0
    assert commands(here) == []
    assert "3 of them done before" in capsys.readouterr().out


def test_a_run_that_fails_stops_no_other_and_is_named_at_the_end(here, capsys):
    write(here, grids=[{"seed": [0, 1, 2]}])
    (here / "fail").touch()
    assert swept() == 1
    assert commands(here) == [
        "train seed=0",
        "eval seed=0",
        "train seed=1",
        "train seed=2",
        "eval seed=2",
    ]
    found = capsys.readouterr()
    assert "2/3 seed=1 ... failed, exit status 1" in found.out
    assert found.err.startswith("failed: seed=1, exit status 1.")
    assert found.err.endswith("    this is train\n    line one\n    the reason\n")
    rows = json.loads((here / "runs" / "table.json").read_text())
    assert [row["name"] for row in rows] == ["seed=0", "seed=2"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_sweep_leaves_a_checkpoint_and_goes_on_there(number, here, capsys):
    write(here, grids=[{"seed": [0, 1, 2]}])
    (here / "stop").write_text(str(int(number)))
    before = signal.getsignal(number)
    assert swept() == 128 + number
    assert signal.getsignal(number) is before
    assert commands(here) == ["train seed=0", "eval seed=0", "train seed=1"]
    assert (here / "runs" / "seed=1" / "checkpoint").exists()
    assert "2/3 seed=1 ... stopped" in capsys.readouterr().out
    assert swept() == 0
    assert commands(here) == [
        "train seed=1",
        "eval seed=1",
        "train seed=2",
        "eval seed=2",
    ]


@pytest.mark.parametrize("how", ["none", "not of all estimators", "not a number"])
def test_a_run_that_leaves_no_figures_has_failed(how, here, capsys):
    arguments = []
    if how == "none":
        (here / "program.py").write_text("print('nothing')")
    elif how == "not of all estimators":
        arguments = ["--", "--config.eval.estimators=stratified,full"]
    else:
        (here / "no figure").touch()
    write(here, grids=[{"seed": [0]}])
    assert swept(*arguments) == 1
    assert "seed=0, no figures in runs/seed=0/eval/4.json" in capsys.readouterr().err
    assert not (here / "runs" / "table.md").exists()


def test_another_way_to_evaluate_is_done_again_and_another_config_refused(here, capsys):
    write(here)
    assert swept() == 0
    commands(here)
    write(here, overrides={"eval.num_draws": 32})
    assert swept() == 0
    assert len(commands(here)) == 4
    assert swept() == 0
    assert commands(here) == []
    capsys.readouterr()
    write(here, overrides={"prediction": "v"})
    assert swept() == 2
    assert "runs/seed=0 belongs to a run with another config" in capsys.readouterr().err


def test_another_split_is_evaluated_again(tmp_path, monkeypatch):
    run = sweep_file.Run("a", (), (), tiny.config())
    (tmp_path / "a" / "eval").mkdir(parents=True)
    (tmp_path / "a" / "eval" / "6.json").touch()
    (tmp_path / "a" / "config.json").write_text(json.dumps(run.config.to_dict()))
    figure = types.SimpleNamespace(estimator="stratified", bits_per_dim=2.0)
    monkeypatch.setattr(sweep, "_results", lambda *_: [figure])
    assert sweep.is_finished(run, epath.Path(tmp_path))
    other = run._replace(config=tiny.config(data__eval_split="train"))
    assert not sweep.is_finished(other, epath.Path(tmp_path))


def test_the_printed_commands_are_these(here, capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(here)
    write(
        here,
        overrides={"optimizer.decay_steps": 9},
        grids=[
            {"ends": {"wide": {"schedule.name": "cosine", "model.log_snr_bounds": ()}}},
            {"seed": [3]},
        ],
    )
    assert swept("--print", "--", "--config.training.num_steps=7") == 0
    start = "--config=config.py --config.optimizer.decay_steps=9"
    wide = (
        f"{start} --config.schedule.name=cosine '--config.model.log_snr_bounds=()'"
        " --config.training.num_steps=7 --workdir=runs/ends=wide"
    )
    seed = (
        f"{start} --config.seed=3 --config.training.num_steps=7 --workdir=runs/seed=3"
    )
    train, evaluate = (f"python -m ddpm_jax {mode}" for mode in ("train", "eval"))
    assert capsys.readouterr().out.splitlines() == [
        f"{train} {wide} && {evaluate} {wide}",
        f"{train} {seed} && {evaluate} {seed}",
    ]
    assert not (here / "runs").exists()
    assert swept("--print", "--only=seed=3") == 0
    assert "wide" not in capsys.readouterr().out


def test_plugins_are_of_the_sweep_and_of_every_command(here, capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.chdir(here)
    own = plugin_files.blocks()
    (here / "cubic.py").write_text(own["cubic.py"])
    write(here, grids=[{"schedule.name": ["cubic"]}])
    with plugins.temporarily():
        assert swept("--print") == 2
        assert "config.schedule.name = 'cubic' is not one of" in capsys.readouterr().err
        assert swept("--print", "--plugins=cubic.py") == 0
        command = "--plugins=cubic.py --config=config.py --config.schedule.name=cubic"
        assert capsys.readouterr().out.count(command) == 2


def test_one_run_alone_by_any_of_its_names(here):
    write(here, grids=[{"seed": [0, 1]}, {"data.stride": [8, 4]}])
    assert swept("--only=data.stride=8") == 0
    assert commands(here) == ["train seed=0", "eval seed=0"]


@pytest.mark.parametrize(
    "changes, arguments, said",
    [
        (
            {"grids": [{"seed": [0]}, {"predicton": ["v"]}]},
            [],
            "the run 'predicton=v' cannot work: unknown field config.predicton."
            " Did you mean 'prediction'?",
        ),
        (
            {"grids": [{"seed": [0], "loss.weighting": ["elbo", "simple"]}]},
            ["--", "--config.schedule.name=learned_monotone"],
            "the run 'seed=0,loss.weighting=simple' cannot work: config.loss.weighting",
        ),
        ({"grids": [{"prediction": ["w"]}]}, [], "config.prediction = 'w' is not one"),
        ({"grids": [{"seed": ["one"]}]}, [], "--config.seed=one"),
        ({"config": "nothing.py"}, [], "nothing.py"),
        ({"grids": []}, [], "it has no runs"),
        ({"grids": [{"seed": 3}]}, [], "'seed': 3 is not a list of values"),
        ({"grids": [{"prediction": "eps"}]}, [], "'eps' is not a list of values"),
        ({"grids": [{"eval.step": [3]}]}, [], "is evaluated at its end"),
        ({"grid": [{}]}, [], "line 1: get_sweep() returns what is no sweep: grid"),
        (
            {"grids": [{"a": {"b": {"seed": 1}}}, {"a": {"b": {"seed": 2}}}]},
            [],
            "two different runs of the name 'a=b'",
        ),
        ({}, ["--only=seed=2"], "--only=seed=2 is not one of seed=0, seed=1"),
        ({}, ["--", "--mode=eval"], "'--mode=eval' after -- is not an override"),
        ({}, ["--", "--config.sed=1"], "Did you mean 'seed'?"),
        ({}, ["--prnt"], "--prnt"),
        ({}, ["--workdir=gs://bucket/runs"], "add --print"),
        ({}, ["--workdir=file.py"], "file.py/seed=0 cannot be written"),
    ],
)
def test_a_wrong_sweep_is_refused_in_one_line_before_any_run(
    changes, arguments, said, here, capsys
):
    write(here, **changes)
    assert swept(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert said in error
    assert commands(here) == [] and not (here / "runs").exists()


def test_a_file_that_is_none_is_refused_in_one_line(here, capsys):
    returns = "def get_sweep(): return"
    said = {
        "def get_sweep(:": ", line 1: SyntaxError: invalid syntax",
        "x = 1\nraise RuntimeError('no\\nway')": ", line 2: RuntimeError: no way",
        "x = 1": ": it has no function get_sweep().",
        f"{returns} 1 / 0": ", line 1: ZeroDivisionError: division by zero",
        f"\n{returns}": ", line 2: get_sweep() returns what is no sweep: None is not a dict.",
        f"{returns} {{'config': '', 'overrides': {{}}, 'grids': [3]}}": (
            ", line 1: get_sweep() returns what is no sweep: the grid 3 is not a dict."
        ),
    }
    for content, reason in said.items():
        (here / "file.py").write_text(content)
        assert swept() == 2
        assert capsys.readouterr().err == f"error: file.py{reason}\n"
    for arguments in ([], ["file.py"], ["none.py", "--workdir=runs"]):
        assert sweep.main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1
