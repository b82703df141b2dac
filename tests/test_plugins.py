"""Every kind of choice from a user's own files, as docs/extending.md shows them, in one run."""

import hashlib
import json
import math

import numpy as np
import pytest
from absl import flags

import ddpm_jax as dj
from ddpm_jax.commands import modes
from ddpm_jax.config import plugins, schema
from ddpm_jax.core import choice
from ddpm_jax.core.errors import ConfigError
from tests import plugin_files

LIMIT = 20
KINDS = {
    "schedule.name": "cubic",
    "prediction": "velocity",
    "loss.weighting": "bell",
    "sample.sampler": "renoised",
    "sample.spacing": "power",
    "model.name": "two_convs",
    "data.name": "stripes",
    "optimizer.name": "momentum",
    "eval.estimators": "independent,mean_distance",
    "eval.quality.extractor": "pixels",
}
SMALL = {
    "training.num_steps": 2,
    "training.eval_every": 0,
    "training.sample_every": 0,
    "schedule.cubic.steepness": 7.0,
    "eval.quality.num_samples": 8,
    "eval.independent.num_times": 8,
}


@pytest.fixture
def command(monkeypatch, capsys, log_as_before):
    """Runs a command line as a process would, which begins without plugins."""

    def as_absl_does(main, argv, flags_parser):
        return main(flags_parser(argv))

    monkeypatch.setattr(modes.app, "run", as_absl_does)

    def run(mode, *arguments):
        monkeypatch.setattr(modes, "FLAGS", flags.FlagValues())
        with plugins.temporarily():
            try:
                status = modes.main(arguments, mode)
            except SystemExit as end:
                status = end.code
        return status, *capsys.readouterr()

    return run


def test_the_document_shows_every_kind_in_few_lines():
    shown = {}
    for name, text in plugin_files.blocks().items():
        lines = [line for line in text.splitlines() if line]  # As written, none blank.
        assert len(lines) < LIMIT, name
        namespace = {"__name__": name}
        exec(compile(text, name, "exec"), namespace)
        for field, entries in namespace["CHOICES"].items():
            shown.setdefault(field, []).extend(entries)
    assert {field: text.split(",") for field, text in KINDS.items()} == shown


def test_a_run_is_trained_evaluated_and_drawn_by_plugins_alone(
    command, one_device, tmp_path
):
    files = plugin_files.written(tmp_path)
    choices = KINDS | SMALL
    at = [
        "--config=configs/digits.py:smoke",
        f"--workdir={tmp_path / 'run'}",
        *(f"--config.{field}={value}" for field, value in choices.items()),
    ]
    mine = "--plugins=" + ",".join(map(str, files))
    record = tmp_path / "run" / "plugins.json"

    status, _, err = command("train", *at, mine)
    assert status == 0, err
    assert json.loads(record.read_text()) == {f.stem: sha256(f) for f in files}
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2]
    assert all(math.isfinite(json.loads(row)["loss"]) for row in rows)

    # Without one of them nothing of it is known: it is asked for before anything else.
    before = record.read_bytes()
    for mode in ("train", "eval", "sample"):
        status, out, err = command(mode, *at, mine.replace(f"{files[0]},", ""))
        assert (status, out) == (2, "")
        assert err == (
            f"error: --workdir={tmp_path / 'run'} is of a run with the plugin 'cubic': add"
            " --plugins=cubic (in Python, ddpm_jax.plugins.load('cubic')), or the path of its"
            " file cubic.py.\n"
        )
    assert record.read_bytes() == before

    # The run goes on with a changed file, and says so.
    cubic = tmp_path / "cubic.py"
    cubic.write_text(f"{cubic.read_text()}\n\n# Changed.\n")
    status, _, err = command("train", *at, mine, "--config.training.num_steps=3")
    assert status == 0, err
    (warned,) = [line for line in err.splitlines() if "its file has changed" in line]
    assert " warning: the plugin cubic is not as the run in " in warned
    hashes = {f.stem: sha256(f) for f in files}
    assert json.loads(record.read_text()) == hashes and hashes["cubic"] not in str(
        before
    )

    status, out, err = command("eval", *at, mine)
    assert status == 0, err
    report = json.loads((tmp_path / "run" / "eval" / "3.json").read_text())
    assert math.isfinite(report["bits_per_dim"])
    assert report["convention"]["plugins"] == hashes
    assert report["convention"]["data"]["name"] == "stripes"
    assert (report["estimator"], report["num_draws"]) == ("independent", 8)
    quality = json.loads((tmp_path / "run" / "eval" / "3_quality.json").read_text())
    assert quality["figures"]["mean_distance"]["mean"] > 0.0
    assert quality["convention"]["plugins"] == hashes
    assert quality["convention"]["reference"]["extractor"]["name"] == "pixels"

    status, out, err = command("sample", *at, mine)
    assert status == 0, err
    folder = tmp_path / "run" / "samples" / "3_renoised_5"
    assert np.load(folder / "00000.npz")["images"].shape == (8, 8, 8, 1)
    identity = json.loads((folder / "samples.json").read_text())["identity"]
    assert identity["plugins"] == hashes

    # Options of a plugin are checked, and told, as any other.
    status, _, err = command(
        "eval", *at, mine, "--config.schedule.cubic.steepness=-1.0"
    )
    assert status == 2 and err.startswith(
        "error: config.schedule.cubic.steepness = -1.0: "
    )

    # In a notebook too.
    with plugins.temporarily():
        with pytest.raises(ConfigError, match="add --plugins=bell"):
            dj.load(tmp_path / "run")
        run = dj.load(tmp_path / "run", plugins=[str(file) for file in files])
        assert (run.step, run.config.schedule.cubic.steepness) == (3, 7.0)


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_plugins_are_gone_where_they_were_temporary(tmp_path):
    before = {f: list(t) for f, t in choice.tables(schema.Whole).items()}
    defaults = schema.default()
    with plugins.temporarily():
        plugins.load([str(path) for path in plugin_files.written(tmp_path)])
        assert schema.default() != defaults
        for field, text in KINDS.items():
            assert {*text.split(",")} <= choice.tables(schema.Whole)[field].keys()
    assert {f: list(t) for f, t in choice.tables(schema.Whole).items()} == before
    assert schema.default() == defaults
