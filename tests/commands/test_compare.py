"""The command: what it prints, draws and refuses."""

import gzip
import io
import json
import subprocess
import sys

import pytest
from PIL import Image

from ddpm_jax.commands import compare
from ddpm_jax.evaluation.results import pairs, plot
from tests import evaluation_files


@pytest.fixture
def two(tmp_path):
    """Two comparable runs that share most of their noise."""
    return [
        evaluation_files.run(
            tmp_path / name,
            evaluation_files.halves(seed, shared=5.0, offset=seed),
            **changes,
        )
        for seed, (name, changes) in enumerate(
            {"a": {}, "b": {"prediction": "v"}}.items()
        )
    ]


def printed(capsys, *arguments):
    assert compare.main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_the_table_has_both_runs_and_their_paired_difference(two, capsys):
    text = printed(capsys, *two)
    header, a, b = [
        line.split() for line in text.splitlines() if line[:3] in ("run", "a  ", "b  ")
    ]
    assert header[:3] == ["run", "step", "bits/dim"]
    assert len(a) == len(b) == 13
    ours, theirs = (float(row[2]) for row in (b, a))
    assert a[5:8] == ["-", "-", "-"]
    assert b[5].startswith(("+", "-"))
    assert float(b[5]) == pytest.approx(ours - theirs, abs=2e-4)
    assert float(b[6]) < float(b[3])
    assert a[-2:] == ["20", "0"]
    assert "- differs: prediction: eps (a); v (b)" in text
    assert "WARNING" not in text


def test_rows_for_a_program_say_the_same(two, capsys):
    a, b = json.loads(printed(capsys, *two, "--json"))
    assert (a["name"], b["name"], a["kind"], b["kind"]) == ("a", "b", 0, 0)
    assert a["difference"] is None
    assert b["difference"]["to"] == "a"
    assert b["difference"]["bits_per_dim"] == pytest.approx(
        b["bits_per_dim"] - a["bits_per_dim"]
    )
    assert b["difference"]["has_common_noise"] is True
    assert b["convention"]["prediction"] == "v"


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"data": {**evaluation_files.CONVENTION["data"], "version": "two"}},
            "data.version: one (a, b); two (c)",
        ),
        (
            {"figure": "log-likelihood"},
            "figure: variational upper bound (a, b); log-likelihood (c)",
        ),
        (
            {"x_hat": "clipped to [-1, 1]"},
            "x_hat: not clipped (a, b); clipped to [-1, 1] (c)",
        ),
    ],
)
def test_figures_of_another_kind_stand_apart_with_a_warning(
    changes, said, two, tmp_path, capsys
):
    other = evaluation_files.run(tmp_path / "c", evaluation_files.halves(3), **changes)
    text = printed(capsys, *two, other)
    first_line = text.splitlines()[0]
    assert first_line.startswith("WARNING: these are not comparable")
    assert said in first_line
    assert text.count("run  step") == 2
    rows = json.loads(printed(capsys, *two, other, "--json"))
    assert [row["kind"] for row in rows] == [0, 0, 1]
    assert rows[2]["difference"] is None


def test_several_estimators_are_rows_and_one_can_be_chosen(tmp_path, capsys):
    path = evaluation_files.run(
        tmp_path / "a",
        evaluation_files.halves(1),
        also={"ode": evaluation_files.halves(2)},
    )
    other = evaluation_files.run(tmp_path / "b", evaluation_files.halves(3))
    rows = json.loads(printed(capsys, path, other, "--json"))
    assert [(row["name"], row["estimator"]) for row in rows] == [
        ("a", "stratified"),
        ("b", "stratified"),
        ("a", "ode"),
    ]
    assert compare.main([str(path), str(other), "--estimator=ode", "--json"]) == 0
    found = capsys.readouterr()
    assert [row["name"] for row in json.loads(found.out)] == ["a"]
    assert found.err == "b has no figure by 'ode': left out\n"


def test_two_steps_of_one_run_stand_side_by_side(tmp_path, capsys):
    path = tmp_path / "a"
    for step, seed in ((4, 1), (8, 2)):
        evaluation_files.run(
            path, evaluation_files.halves(seed, shared=3.0, own=0.1), step=step
        )
    rows = json.loads(printed(capsys, f"{path}@4", f"{path}@8", "--json"))
    assert [(row["name"], row["step"]) for row in rows] == [("a@4", 4), ("a@8", 8)]
    assert rows[1]["difference"]["to"] == "a@4"
    assert rows[1]["difference"]["stderr"] < 0.2 * rows[1]["stderr"]
    assert compare.main([f"{path}@5"]) == 2
    assert "no evaluation of step 5, only of 4, 8" in capsys.readouterr().err


def test_runs_are_told_apart_by_their_paths_where_names_are_the_same(tmp_path, capsys):
    paths = [
        evaluation_files.run(tmp_path / parent / "run", evaluation_files.halves(1))
        for parent in "xy"
    ]
    rows = json.loads(printed(capsys, *paths, "--json"))
    assert [row["name"] for row in rows] == [str(path) for path in paths]


@pytest.mark.parametrize(
    "changes, note",
    [
        ({"seed": 1}, "c and a are not known to share their draws of noise"),
        ({"failed": [0, 1]}, "c and a differ by that over the 18 images"),
        ({"num_dims": 65}, "c has no difference to a"),
    ],
)
def test_what_a_difference_is_not_is_noted(changes, note, two, tmp_path, capsys):
    other = evaluation_files.run(tmp_path / "c", evaluation_files.halves(3), **changes)
    text = printed(capsys, *two, other)
    assert f"- {note}" in text
    assert "b and a are" not in text and "b and a differ" not in text


def test_the_picture_is_one_and_replaces_another(two, tmp_path, capsys):
    other = evaluation_files.run(
        tmp_path / "c", evaluation_files.halves(3), x_hat="clipped"
    )
    out = tmp_path / "out.png"
    out.write_bytes(b"an older one")
    printed(capsys, *two, other, f"--out={out}")
    picture = Image.open(io.BytesIO(out.read_bytes()))
    assert picture.format == "PNG" and picture.width == 1100
    assert len(set(picture.convert("L").getdata())) > 10
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize(
    "arguments, said",
    [
        ([], "a compare of nothing"),
        (["a", "nowhere"], "nowhere is not a folder"),
        (["empty"], "ddpm_jax eval --config=... --workdir=empty"),
        (["a", "--step=5"], "holds no evaluation of step 5, only of 4"),
        (["a", "--step=x"], "--step"),
        (["a", "--estimator=ode"], "they have stratified"),
        (["a", "--out=picture.jpg"], "write FILE.png"),
        (["a", "--out=no/such/folder/picture.png"], "cannot be written"),
        (["a", "--jsn"], "--jsn"),
        (["broken"], "eval/4.json cannot be read as JSON"),
    ],
)
def test_a_wrong_command_is_refused_in_one_line(
    arguments, said, two, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken" / "eval").mkdir(parents=True)
    (tmp_path / "broken" / "eval" / "4.json").write_text("{")
    assert compare.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert said in error


def test_the_command_starts_without_jax_or_tensorflow(two):
    program = (
        "import sys; from ddpm_jax.commands import compare;"
        "status = compare.main(sys.argv[1:]);"
        "assert not {'jax', 'tensorflow'} & sys.modules.keys(); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, two)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "differs: prediction" in done.stdout


def test_a_figure_far_from_the_others_does_not_hide_their_differences(two, tmp_path):
    (group,) = pairs.groups(compare.gather(two))
    assert [axes.get_xscale() for axes in plot.draw([group]).axes] == ["linear"] * 2
    far = evaluation_files.run(tmp_path / "far", 1000 * evaluation_files.halves(5))
    (group,) = pairs.groups(compare.gather([*two, far]))
    assert [axes.get_xscale() for axes in plot.draw([group]).axes] == ["log", "symlog"]


def test_what_has_changed_in_the_data_is_told(tmp_path, capsys):
    """Of runs that recorded their files."""
    data = {**evaluation_files.CONVENTION["data"], "name": "folder:/a"}
    for number, name in enumerate("ab"):
        contents = {**data, "contents": str(number)}
        path = evaluation_files.run(
            tmp_path / name, evaluation_files.halves(number), data=contents
        )
        record = {"name": "folder:/a", "shape": [8, 8, 1], "num_values": 17}
        record |= {"classes": ["cat"], "splits": {"test": contents}}
        files = {"test": {f"cat/{i}.png": [i, "x"] for i in range(3 + number)}}
        (path / "data.json").write_text(json.dumps(record))
        data_files = gzip.compress(json.dumps(files).encode())
        (path / "data_files.json.gz").write_bytes(data_files)
    assert compare.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    assert "the data of b are not those of a: 1 file added (such as cat/3.png)" in said
    assert "data.contents: 0 (a); 1 (b)" in said
    # Nothing is said where one did not record them.
    (tmp_path / "b" / "data.json").unlink()
    assert compare.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "are not those of" not in capsys.readouterr().out
