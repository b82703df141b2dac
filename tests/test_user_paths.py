"""Every place where a user writes a path: all read it by the one function."""

import os
import pathlib

import numpy as np
import pytest
from etils import epath

import ddpm_jax as dj
from benchmarks import measure
from ddpm_jax import evaluate, sample
from ddpm_jax.commands import compare, guidance_scales, sweep, sweep_file
from ddpm_jax.config import plugins
from ddpm_jax.core import choice
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import reference
from ddpm_jax.evaluation.extractors import extractor, inception
from ddpm_jax.models import build
from ddpm_jax.runs import restore, starting, workdir
from ddpm_jax.sampling import sample_folders, task, tasks
from ddpm_jax.training.state import TrainState
from tests import tiny

PACKAGE = pathlib.Path(dj.__file__).parent
EDITS = ("inpainting", "colorization", "super_resolution", "image_to_image")


def of_a_task(name, option):
    def read(path):
        c = tiny.config(sample__task=name)
        c.sample[name].update({"image": str(PACKAGE), option: path})
        images = task.Images(c, (8, 8, 3 if name == "colorization" else 1), 17)
        if option in ("mask", "last"):
            # What is read before is another file's matter.
            images = type("Read", (task.Images,), {"read": in_place_of_the_first})(
                *images
            )
        found, options = choice.chosen(tasks.TASKS, c.sample, "task", "sample")
        return found.make(options, images)

    return f"config.sample.{name}.{option} = ", read


def in_place_of_the_first(images, name, path, shape):
    if name in ("image", "first"):
        return np.zeros(shape, np.uint8)
    return task.Images.read(images, name, path, shape)


def of_inception(path):
    options = extractor.ExtractorFiles(inception=path)
    load = inception.inception(choice.Options(), options)
    load(tiny.config(), tiny.one_device(), source(), restore.OTHERS)


def started_from(path):
    no_state = object.__new__(TrainState)
    starting.start_from(tiny.config(training__start_from=path), no_state)


def guided_by(path):
    field = f"config.sample.classifier.workdir = {path!r}"
    restore.other_classifier(
        field, path, tiny.config(), source(), step=-1, weights="ema"
    )


def claimed(path):
    with workdir.claimed(path):
        pass


def source(**changes):
    return build.source(tiny.config(**changes), "train")


# What a message begins with, and the function that is given the path.
PLACES = (
    ("--workdir=", claimed),
    (
        "--workdir=",
        lambda path: restore.load(tiny.config(), path, step=1, weights="ema"),
    ),
    ("--workdir=", lambda path: dj.train(tiny.config(), path)),
    ("load(", dj.load),
    ("--config=", dj.read_config),
    ("--plugins=", lambda path: plugins.load(f"{path}.py")),
    ("config.training.start_from = ", started_from),
    ("config.sample.classifier.workdir = ", guided_by),
    (
        "config.eval.quality.reference = ",
        lambda path: reference.path_of(
            tiny.config(eval__quality__reference=path), epath.Path("x")
        ),
    ),
    ("config.eval.quality.inception = ", of_inception),
    (
        "config.eval.quality.samples = ",
        lambda path: sample_folders.gather(
            path, f"config.eval.quality.samples = {path!r}"
        ),
    ),
    (
        "config.eval.folder = ",
        lambda path: workdir.place_of_evaluations(
            epath.Path("x"), tiny.config(eval__folder=path)
        ),
    ),
    ("config.data.name = ", lambda path: source(data__name=f"folder:{path}")),
    (
        "config.data.data_dir = ",
        lambda path: source(data__name="tfds:mnist", data__data_dir=path),
    ),
    ("the workdir ", lambda path: compare.gather([path])),
    ("--out=", lambda path: compare._main(["x", f"--out={path}"])),
    ("--workdir=", lambda path: sweep._main(["x.py", f"--workdir={path}"])),
    ("the sweep file ", sweep_file.read),
    ("the workdir ", lambda path: guidance_scales._main([path, "--judge=x"])),
    *(of_a_task(name, "image") for name in EDITS),
    of_a_task("inpainting", "mask"),
    of_a_task("interpolation", "first"),
    of_a_task("interpolation", "last"),
)


@pytest.mark.parametrize("said, place", PLACES)
def test_a_variable_that_is_not_set_is_told_by_the_field(
    said, place, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        place("$NOTHING/x")
    assert str(error.value).startswith(said) and "$NOTHING/x" in str(error.value)
    assert "the environment variable NOTHING is not set" in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "place",
    [place for said, place in PLACES if said.startswith(("--workdir", "the", "load"))],
)
def test_an_empty_path_is_not_the_current_folder(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="is an empty path: write one"):
        place("")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def at_home(plain_run, monkeypatch):
    """A workdir below the home folder."""
    monkeypatch.setenv("HOME", str(plain_run.parent))
    return f"~/{plain_run.name}"


def test_a_run_below_the_home_folder_is_read(at_home, plain_run):
    c = restore.config_of("the workdir", at_home, tiny.config())
    assert c.data.name == "digits"
    with pytest.raises(ConfigError, match=f"^{plain_run} holds no evaluation"):
        compare.gather([at_home])
    c = tiny.config(eval__quality__reference=f"{at_home}/r.npz")
    assert reference.path_of(c, epath.Path("x")) == plain_run / "r.npz"


def test_samples_go_where_the_user_means(at_home, plain_run, monkeypatch):
    c = tiny.config(sample__folder=f"{at_home}/drawn")
    folders = []

    def stop(_, folder):
        folders.append(os.fspath(folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "_make_parent", stop)
    found = restore.config_of("the workdir", at_home, c)
    loaded = type("Found", (), {"path": plain_run, "step": 2, "config": found})
    monkeypatch.setattr(sample.restore, "load", lambda *_, **__: loaded)
    with pytest.raises(KeyboardInterrupt):
        sample.run(c, at_home)
    assert folders == [str(plain_run / "drawn")]
    c.sample.folder = "$NOTHING/x"
    with pytest.raises(
        ConfigError, match=r"config.sample.folder = '\$NOTHING/x': the "
    ):
        sample.run(c, at_home)


def test_a_reference_is_made_in_the_run_that_is_meant(monkeypatch):
    monkeypatch.setattr(evaluate.features, "check", lambda _: None)
    monkeypatch.setattr(evaluate.features, "make", lambda *_: None)
    for path, said in (("", "--workdir= is an empty path"), ("$NO", "NO is not set")):
        with pytest.raises(ConfigError, match=said):
            evaluate.make_reference(tiny.config(), path)


def test_a_guide_that_is_none_is_not_no_guide(at_home):
    at = [at_home, "--judge=x"]
    with pytest.raises(ConfigError, match="--guide= is an empty path"):
        guidance_scales._main([*at, "--guide="])
    with pytest.raises(ConfigError, match="--judge= is an empty path"):
        guidance_scales._main([at_home, "--judge="])
    with pytest.raises(ConfigError, match="--out= is an empty path"):
        compare._main(["x", "--out="])


def test_a_folder_of_images_is_one_of_this_machine():
    with pytest.raises(
        ConfigError, match=r"config.data.name = 'folder:gs://b/x': write"
    ):
        source(data__name="folder:gs://b/x")


def test_a_benchmarks_path_is_read_alike(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert measure.path("~/results") == tmp_path / "results"
    with pytest.raises(measure.argparse.ArgumentTypeError, match="is an empty path"):
        measure.path("")


def test_nobody_expands_paths_otherwise():
    by = {
        word: sorted(
            path.relative_to(PACKAGE).as_posix()
            for path in PACKAGE.rglob("*.py")
            if word in path.read_text()
        )
        for word in ("expanduser", "expandvars")
    }
    assert by == {
        "expanduser": ["core/paths.py", "data/table.py"],
        "expandvars": [],
    }
