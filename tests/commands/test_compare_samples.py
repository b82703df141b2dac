"""Folders of samples side by side, as the command compares them."""

import json

import numpy as np
import pytest
from etils import epath
from PIL import Image

from ddpm_jax.commands import compare
from ddpm_jax.pictures import encoding, grids, samples
from ddpm_jax.sampling import shards
from tests.sampling.test_sample_folders import put
from tests.sampling.test_shards import IDENTITY, images


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Samples of two jobs of one set, and of one job of another."""
    monkeypatch.chdir(tmp_path)
    own = IDENTITY | {"seed": 0, "config.sample.sampler": "ddim"}
    put(tmp_path / "a_0", 0, 7, identity=own)
    put(tmp_path / "a_1", 7, 8, identity=own)
    put(tmp_path / "b", 0, 20, identity=own | {"config.sample.sampler": "unipc"})


def test_sets_have_a_row_each_and_what_differs_is_told(folders, capsys):
    assert compare.main(["a_0,a_1", "b"]) == 0
    header, first, second, *differing = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["samples", "number", "from-to", "step"]
    assert first.split() == ["a_0,a_1", "15", "0-6,7-14", "900", "-", "0", "ddim", "-"]
    assert second.split()[:3] == ["b", "20", "0-19"]
    assert differing == ["- differs: config.sample.sampler: ddim; unipc"]


def test_rows_for_a_program(folders, capsys):
    assert compare.main(["a_*", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["numbers"] == [[0, 7], [7, 15]] and row["num_samples"] == 15
    assert row["identity"]["step"] == 900 and row["folders"] == ["a_0", "a_1"]


def test_one_set_is_drawn_as_a_grid_and_several_in_rows(folders, tmp_path):
    assert compare.main(["a_*", "--out=one.png"]) == 0
    wanted = grids.grid(encoding.to_uint8(images(15), 17))
    np.testing.assert_array_equal(Image.open(tmp_path / "one.png"), wanted)
    assert compare.main(["a_*", "b", "--out=two.png"]) == 0
    cells = {
        name: [encoding.to_uint8(images(num), 17)]
        for name, num in (("a_*", 15), ("b", 16))
    }
    wanted = grids.comparison(cells, ["samples"])
    np.testing.assert_array_equal(Image.open(tmp_path / "two.png"), wanted)


@pytest.fixture
def points(tmp_path, monkeypatch):
    """Folders of points of the line, and of one of the plane."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    found = {}
    for name, dimensions in (("line", 1), ("other", 1), ("plane", 2)):
        found[name] = rng.normal(size=(30, 1, 1, dimensions)).astype(np.float32)
        store = shards.Shards(
            epath.Path(tmp_path / name),
            IDENTITY,
            num_samples=30,
            shape=(1, 1, dimensions),
            num_values=0,
            shard_size=30,
            form="npz",
        )
        store.begin()
        store.add(0, found[name])
    return found


def test_points_are_drawn_in_plots(points, tmp_path):
    drawing = samples.drawing(0)
    assert compare.main(["plane", "--out=one.png"]) == 0
    wanted = drawing.grid(points["plane"])
    np.testing.assert_array_equal(Image.open(tmp_path / "one.png"), wanted)
    assert compare.main(["line", "other", "--out=two.png"]) == 0
    cells = {name: [points[name]] for name in ("line", "other")}
    wanted = drawing.comparison(cells, ["samples"])
    np.testing.assert_array_equal(Image.open(tmp_path / "two.png"), wanted)


def test_what_is_not_of_one_kind_has_no_picture(folders, points, capsys):
    for others, kind in ((["line"], "1"), (["line", "plane"], "1")):
        names = ["a_0", *others] if len(others) == 1 else others
        assert compare.main([*names, "--out=three.png"]) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: no picture has room for all of these: ")
        assert err.count("\n") == 1 and f"line points of {kind} coordinates" in err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ["a_0", "a_0,a_0"],
            "error: a_0,a_0: a_0 holds samples 0 to 6, and a_0 0 to 6",
        ),
        (
            ["a_0", "nowhere"],
            "error: nowhere: nowhere is no folder with a samples.json",
        ),
        (["a_0", "--step=3"], "error: --step=3 is not for folders of samples."),
        (["a_0", "--estimator=ode"], "error: --estimator=ode is not for folders of"),
        (["a_0", "--out=no/where.png"], "error: no/where.png cannot be written"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(folders, arguments, said, capsys):
    assert compare.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith(said) and err.count("\n") == 1
