"""Flags and modes, in this process: what is refused, and one run through all of them."""

import json
import re

import numpy as np
import pytest
from absl import flags
from PIL import Image

from ddpm_jax.commands import modes
from ddpm_jax.training.nonfinite import NonFiniteError

pytestmark = pytest.mark.usefixtures("small_network", "one_device", "log_as_before")
CONFIG = "--config=configs/digits.py:smoke"
DATED = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs a command line as a process would; its exit status, output and errors."""

    def run(*arguments, mode=""):
        monkeypatch.setattr(modes, "FLAGS", flags.FlagValues())
        monkeypatch.setattr(modes.app, "run", as_absl_does)
        with pytest.raises(SystemExit) as end:
            modes.main(arguments, mode)
        return end.value.code, *capsys.readouterr()

    return run


def as_absl_does(main, argv, flags_parser):
    raise SystemExit(main(flags_parser(argv)))


def complaint(done):
    """The one line of an error, after a check that there is no more."""
    status, out, err = done
    assert status == 2 and out == ""
    note = re.compile(DATED + "(?!warning: |error: |critical: )")
    lines = [line for line in err.splitlines() if not note.match(line)]
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    return lines[0]


def logged(err):
    """What was logged, without the dates, after a check that nothing else is there."""
    lines = err.splitlines()
    assert all(re.match(DATED, line) for line in lines), err
    return [re.sub(DATED, "", line) for line in lines]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            [CONFIG, "--mode=evl"],
            "--mode = 'evl' is not one of ['eval', 'reference', 'sample', 'train']",
        ),
        ([CONFIG, "--config.data.batchsize=3"], "config.data.batchsize"),
        ([CONFIG, "--config.seed=one"], "--config.seed=one"),
        (["--config=configs/nothing.py"], "configs/nothing.py: there is no such file."),
        (["--config=configs/digits.py:tiny"], "unknown variant 'tiny'"),
        ([], "--config is missing"),
        ([CONFIG, "--wrkdir=x"], "wrkdir"),
        ([CONFIG, "--config.seed.a=3"], "config.seed.a"),
        ([CONFIG, "--profile_steps=-1"], "profile_steps"),
        ([CONFIG, "extra"], "'extra' is not a flag"),
        (
            [CONFIG, "--config.training.num_microbatches=3"],
            "config.data.batch_size = 8 does not divide",
        ),
        (
            [CONFIG, "--config.eval.batch_size=9"],
            "config.eval.batch_size = 9 does not divide over 8 devices.",
        ),
        ([CONFIG, "--config.data.name=folder:/no/such/folder"], "/no/such/folder"),
        ([CONFIG, "--num_processes=2"], "write all three, or none"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(arguments, said, command, tmp_path):
    workdir = tmp_path / "run"
    assert said in complaint(command(*arguments, f"--workdir={workdir}"))
    assert not workdir.exists() or not (workdir / "config.json").exists()


@pytest.mark.parametrize("mode", modes.MODES)
@pytest.mark.parametrize(
    "written, said",
    [
        ("--workdir=", "--workdir= is an empty path: write one"),
        ("--workdir=$NOTHING/x", "--workdir=$NOTHING/x: the environment variable"),
        ("--config=", "--config= is an empty path"),
        ("--config=~/nothing.py", "nothing.py: there is no such file."),
        ("--compilation_cache=", "--compilation_cache= is an empty path"),
        ("--plugins=", "--plugins= is empty: write the name of a module or the path"),
    ],
)
def test_a_path_that_is_none_is_refused_by_its_flag(
    mode, written, said, command, tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = [CONFIG, f"--workdir={tmp_path}", "--compilation_cache=x"]
    kept = [flag for flag in given if flag.split("=")[0] != written.split("=")[0]]
    assert said in complaint(command(*kept, written, mode=mode))
    assert not list(tmp_path.iterdir())


def test_a_home_folder_is_that_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    values = flags.FlagValues()
    modes.parse(
        ["x", CONFIG, "--workdir=~/run", "--compilation_cache=~/kept"], values, "train"
    )
    assert values.workdir == str(tmp_path / "run")
    assert values.compilation_cache == str(tmp_path / "kept")
    assert type(values.workdir) is str


def test_a_missing_workdir_and_a_mode_twice_are_refused(command):
    assert "--workdir is missing" in complaint(command(CONFIG))
    done = command(CONFIG, "--workdir=x", "--mode=eval", mode="train")
    assert "Unknown command line flag 'mode'" in complaint(done)


def test_help_names_every_flag_and_main_py_the_mode_too(capsys):
    assert modes.main(["--help"]) == modes.train(["--config=x", "-h"]) == 0
    of_main, of_train = capsys.readouterr().out.split(modes.__doc__)[1:]
    for name in ("config", "config.FIELD", "workdir", "compilation_cache"):
        assert f"  --{name}: " in of_main and f"  --{name}: " in of_train
    assert "  --mode: " in of_main and "  --mode: " not in of_train


def test_the_modes_and_a_second_run_with_another_config(command, tmp_path):
    workdir = tmp_path / "run"
    at = [CONFIG, f"--workdir={workdir}"]
    done = command(*at, "--mode=sample")
    assert "train there first" in complaint(done)

    status, _, err = command(*at, mode="train")
    assert status == 0, err
    trained = json.loads((workdir / "eval" / "4.json").read_text())
    (workdir / "eval" / "4.json").unlink()

    status, out, err = command(*at, "--mode=eval")
    assert status == 0, err
    assert logged(err) == ["compiling the evaluation (stratified) ..."]
    assert f"{trained['bits_per_dim']:.4f} bits per dim" in out
    assert json.loads((workdir / "eval" / "4.json").read_text()) == trained

    status, out, err = command(*at, mode="sample")
    assert status == 0, err
    assert logged(err) == ["compiling the sampler ..."]
    drawn = workdir / "samples" / "4_ancestral_5"
    assert f"step 4: 8 samples in {drawn}\n" in out
    assert "evaluations of the network, a sample: 5\n" in out
    assert Image.open(drawn.with_suffix(".png")).mode == "L"
    images = np.load(drawn / "00000.npz")
    assert images["num_values"] == 17
    # The same that were drawn while training.
    of_training = np.load(workdir / "samples" / "4.npz")["images"]
    np.testing.assert_array_equal(images["images"], of_training)

    # The workdir knows its config, and of the run's batch size sampling has no use.
    alone = [f"--workdir={workdir}", "--config.sample.num_samples=16"]
    training = ["--config.data.batch_size=9", "--config.seed=3"]
    status, out, err = command(*alone, *training, mode="sample")
    assert status == 0, err
    assert f"step 4: 16 samples in {drawn}\n" in out
    assert logged(err)[:2] == [
        "warning: config.data.batch_size = 9 is of no effect on this mode: of the run it is"
        " 8; config.sample.batch_size is this mode's own",
        "warning: config.seed = 3 is of no effect on this mode: of the run it is 0;"
        " config.sample.seed is this mode's own",
    ]
    more = np.load(drawn / "00000.npz")["images"]
    np.testing.assert_array_equal(more[:8], of_training)

    status, _, err = command(f"--workdir={workdir}", mode="train")
    assert status == 0, err
    starts = (workdir / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["changed"] for line in starts] == [{}, {}]
    for mode in ("eval", "sample", "train"):
        done = command(f"--workdir={workdir}", "--config.prediction=v", mode=mode)
        assert "config.prediction (now 'v', then 'eps')" in complaint(done)
    done = command(*at, "--config.prediction=v")
    assert "config.prediction (now 'v', then 'eps')" in complaint(done)
    assert "config.eval.quality.extractor = 'inception' needs" in complaint(
        command(*at, mode="reference")
    )


def test_interruptions_and_numbers_that_are_none_have_statuses(
    command, tmp_path, monkeypatch
):
    def interrupted(*_):
        raise KeyboardInterrupt

    def wrong(*_):
        raise NonFiniteError("step 3: the loss is nan")

    def use(run):
        monkeypatch.setitem(
            modes.MODES, "train", modes.MODES["train"]._replace(run=run)
        )

    at = [CONFIG, f"--workdir={tmp_path}"]
    use(interrupted)
    assert command(*at)[0] == 130
    use(wrong)
    status, _, err = command(*at)
    assert status == 1 and err.endswith("error: step 3: the loss is nan\n")
    use(lambda *_: 143)
    assert command(*at)[0] == 143
