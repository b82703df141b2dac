"""Sampling: what a sample depends on, and where it goes."""

import dataclasses
import errno
import json
import logging

import jax
import numpy as np
import pytest
from jax.sharding import AxisType
from PIL import Image

from ddpm_jax import sample, train
from ddpm_jax.check import check_config
from ddpm_jax.core import files, sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.data import run_data
from ddpm_jax.models import build
from ddpm_jax.pictures import encoding, grids
from ddpm_jax.runs import restore
from ddpm_jax.sampling import (
    sample_batches,
)
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir with a checkpoint of two steps."""
    path = tmp_path_factory.mktemp("run")
    assert train.run(tiny.config(training__num_steps=2), path) == 0
    return path


def sampled(run, folder, **changes):
    """The images that `--mode=sample` leaves in a folder, from its files."""
    c = tiny.config(sample__folder=str(folder), **changes)
    check_config(c)
    sample.run(c, run)
    record = json.loads((folder / "samples.json").read_text())
    parts = [np.load(file)["images"] for file in sorted(folder.glob("*.npz"))]
    images = np.concatenate(parts)
    assert len(images) == record["num_samples"]
    return images


def test_a_picture_has_whole_rows_of_the_classes_in_turn(
    tmp_path_factory, monkeypatch, capsys
):
    known = {"model__class_conditional": True, "training__num_steps": 1}
    path = tmp_path_factory.mktemp("told")
    assert train.run(tiny.config(**known), path) == 0
    shown = []
    grid = grids.grid
    monkeypatch.setattr(
        grids, "grid", lambda *given: shown.append(given) or grid(*given)
    )
    ten = tuple(range(10))
    for classes, num, period in (((), 64, 1), (ten, 60, 10), (10 * ten, 64, 100)):
        changes = known | {"sample__classes": classes, "sample__num_samples": 70}
        folder = path / "samples" / str(period)
        images = sampled(path, folder, **changes)
        assert len(images) == 70
        first, *rest = shown.pop()
        np.testing.assert_array_equal(first, encoding.to_uint8(images[:num], 17))
        assert rest == [period]
        said = f"a picture of the first {num}: {folder}.png\n"
        assert said in capsys.readouterr().out
        picture = Image.open(f"{folder}.png")
        np.testing.assert_array_equal(picture, grid(first, period)[..., 0])


def test_samples_are_the_same_for_any_batch_shard_and_number_of_devices(run, tmp_path):
    once = sampled(run, tmp_path / "once", sample__num_samples=25)
    other = sampled(
        run,
        tmp_path / "other",
        sample__num_samples=25,
        sample__batch_size=16,
        sample__shard_size=7,
    )
    assert len(list((tmp_path / "other").glob("*.npz"))) == 4
    np.testing.assert_array_equal(once, other)

    # On one device instead of eight, before they are rounded to pixel values.
    c = tiny.config(sample__batch_size=8)
    t = restore.load(c, run, step=-1, weights="ema")
    one = jax.make_mesh(
        (1, 1),
        sharding.BATCH_AXES,
        axis_types=(AxisType.Auto,) * 2,
        devices=jax.devices()[:1],
    )
    alone = jax.device_put(t.params, jax.devices()[0])
    pixels = sample_batches.Batches(c, one, t.model).draw(alone, 0).pixels
    np.testing.assert_array_equal(pixels, once[:8])


def test_jobs_share_out_a_range_and_each_gives_its_part_bit_for_bit(
    run, tmp_path, capsys
):
    """Of an odd range too, whose batches begin where those of the whole do."""
    ode = {"sample__sampler": "ddim", "sample__num_steps": 3, "sample__shard_size": 10}
    whole = sampled(run, tmp_path / "whole", sample__num_samples=40, **ode)
    parts = []
    for first, num in ((0, 20), (20, 13), (33, 7)):
        of = {"sample__first": first, "sample__num_samples": num}
        folder = tmp_path / str(first)
        parts.append(sampled(run, folder, **of, **ode))
        record = json.loads((folder / "samples.json").read_text())
        assert (record["first"], record["identity"]["seed"]) == (first, 0)
        assert f"step 2: {num} samples in {folder}\n" in capsys.readouterr().out
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    # Whole files are those of the whole run.
    for name in ("00000.npz", "00001.npz"):
        one = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "0" / name).read_bytes() == one
    one = (tmp_path / "whole" / "00002.npz").read_bytes()
    assert (tmp_path / "20" / "00002.npz").read_bytes() == one


@pytest.mark.long
def test_samples_of_another_seed_are_others_and_go_elsewhere(run):
    ddim = {"sample__sampler": "ddim", "sample__num_steps": 3}
    names = {
        (): "2_ddim_3",
        (("sample__seed", 0),): "2_ddim_3",
        (("sample__seed", 7),): "2_ddim_3_seed_7",
        (("sample__first", 4),): "2_ddim_3_from_4",
        (("sample__seed", 7), ("sample__first", 4)): "2_ddim_3_seed_7_from_4",
    }
    found = {}
    for changes, name in names.items():
        sample.run(tiny.config(**dict(changes), **ddim), run)
        found[name] = np.load(run / "samples" / name / "00000.npz")["images"]
    assert np.any(found["2_ddim_3"] != found["2_ddim_3_seed_7"])
    np.testing.assert_array_equal(found["2_ddim_3_from_4"][:5], found["2_ddim_3"][4:])
    np.testing.assert_array_equal(
        found["2_ddim_3_seed_7_from_4"][:5], found["2_ddim_3_seed_7"][4:]
    )


def test_a_killed_run_goes_on_to_the_same_files(run, tmp_path, monkeypatch):
    options = {"sample__num_samples": 30, "sample__shard_size": 5}
    sampled(run, tmp_path / "whole", **options)
    write, writes = files.replace_bytes, []

    def dying(path, data):
        writes.append(path)
        if len(writes) == 4:
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_bytes", dying)
        with pytest.raises(KeyboardInterrupt):
            sampled(run, tmp_path / "killed", **options)
    assert 0 < len(list((tmp_path / "killed").glob("*.npz"))) < 6
    batches = []
    draw = sample_batches.Batches.draw

    def counting(self, params, first, bar=None):
        batches.append(first)
        return draw(self, params, first, bar)

    monkeypatch.setattr(sample_batches.Batches, "draw", counting)
    sampled(run, tmp_path / "killed", **options)
    # 8 a batch, and what was on the disk is not drawn again.
    assert batches[0] == 8 and batches[-1] == 24
    whole = sorted((tmp_path / "whole").iterdir())
    assert len(whole) == 7
    for file in whole:
        assert (tmp_path / "killed" / file.name).read_bytes() == file.read_bytes()
    # Once all are there, nothing is drawn at all.
    batches.clear()
    sampled(run, tmp_path / "killed", **options)
    assert batches == []


def test_samples_are_drawn_without_the_data(run, tmp_path, monkeypatch):
    first = sampled(run, tmp_path / "first")

    def opened(*_):
        raise AssertionError("the data are opened")

    monkeypatch.setattr(build, "source", opened)
    gone = sampled(run, tmp_path / "gone", data__name="folder:/gone")
    np.testing.assert_array_equal(gone, first)


def test_listed_classes_are_told_by_their_names(run, caplog):
    data = run_data.RunData(
        "folder:/a", (8, 8, 1), 17, ("cat", "dog"), {}, lambda _: None
    )
    with caplog.at_level(logging.INFO, logger="absl"):
        sample._tell_classes(tiny.config(sample__classes=(1, 0, 1, -1)), data)
        assert caplog.messages == ["classes in turn: 1 'dog', 0 'cat'"]
        caplog.clear()
        digits = dataclasses.replace(data, class_names=("0", "1"))
        sample._tell_classes(tiny.config(sample__classes=(1, 0)), digits)
        sample._tell_classes(tiny.config(), data)
        assert caplog.messages == []


def test_the_default_folder_is_named_after_step_and_sampler(run, capsys):
    sample.run(tiny.config(sample__sampler="heun"), run)
    folder = run / "samples" / "2_heun_4"
    assert (folder / "00000.npz").exists()
    picture = Image.open(folder.with_name("2_heun_4.png"))
    assert picture.mode == "L" and picture.width > 100
    said = capsys.readouterr().out
    assert f"9 samples in {folder}\n" in said
    assert f"a picture of all: {folder}.png\n" in said
    assert "evaluations of the network, a sample: 7\n" in said


def test_png_files_hold_the_same_images(run, tmp_path):
    c = tiny.config(sample__folder=str(tmp_path / "files"), sample__format="png")
    sample.run(c, run)
    found = sorted((tmp_path / "files").glob("*.png"))
    assert [file.name for file in found] == [f"{i:06d}.png" for i in range(9)]
    pixels = sampled(run, tmp_path / "arrays")[..., 0]
    shown = np.stack([np.asarray(Image.open(file)) for file in found])
    np.testing.assert_array_equal(shown, np.rint(pixels * (255 / 16)))


def test_a_film_and_a_contrast_stand_beside_the_samples(run, tmp_path):
    options = {"sample__contrast__samplers": "ddim,ode"}
    c = tiny.config(
        sample__folder=str(tmp_path / "drawn"),
        sample__film__num_frames=3,
        sample__film__num_images=2,
        sample__film__animation="gif",
        sample__contrast__num_steps=(3,),
        **options,
    )
    check_config(c)
    sample.run(c, run)
    strip = Image.open(tmp_path / "drawn_film.png")
    assert strip.width > 50 and strip.mode == "L"
    animation = Image.open(tmp_path / "drawn_film.gif")
    assert animation.n_frames == 3
    assert Image.open(tmp_path / "drawn_contrast.png").mode == "RGB"


def test_training_goes_on_where_a_solver_does_not_arrive(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(train.logging, "error", lambda text, *args: said.append(args))
    c = tiny.config(
        training__num_steps=2,
        training__sample_every=1,
        sample__sampler="ode",
        sample__ode__max_steps=1,
    )
    assert train.run(c, tmp_path) == 0
    assert [step for step, _ in said] == [1, 2]
    assert "config.sample.ode.max_steps = 1" in str(said[0][1])
    assert not (tmp_path / "samples").exists()


def test_pictures_of_someone_else_are_not_overwritten(run, tmp_path):
    for name in ("mine.png", "mine_contrast.png"):
        (tmp_path / name).write_text("precious")
        with pytest.raises(ConfigError, match=rf"{name} is there already"):
            sampled(run, tmp_path / "mine")
        assert (tmp_path / name).read_text() == "precious"
        (tmp_path / name).unlink()
    sampled(run, tmp_path / "mine")
    # Its own are.
    sampled(run, tmp_path / "mine")


def test_a_full_disk_is_told_at_the_pictures_too(run, tmp_path, monkeypatch):
    write = files.replace_bytes

    def full(path, data):
        if path.name == "drawn.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_bytes", full)
        with pytest.raises(
            ConfigError, match=r"drawn.png cannot be written \(No space"
        ):
            sampled(run, tmp_path / "drawn")
    assert len(sampled(run, tmp_path / "drawn")) == 9


@pytest.mark.long
def test_a_longer_solve_goes_on_in_the_same_folder(run, tmp_path):
    ode = {"sample__sampler": "ode", "sample__ode__rtol": 1e-3}
    with pytest.raises(ConfigError, match=r"ode.max_steps = 2: .* need more"):
        sampled(run, tmp_path / "drawn", sample__ode__max_steps=2, **ode)
    more = {"sample__ode__max_steps": 500, "sample__num_steps": 7}
    assert len(sampled(run, tmp_path / "drawn", **more, **ode)) == 9


def test_options_of_choices_that_were_not_made_are_named():
    c = tiny.config(sample__ddim__eta=0.5, sample__sampler="unipc")
    assert sample.options_without_effect(c) == ["config.sample.ddim.eta = 0.5"]
    c = tiny.config(sample__heun__churn__amount=2.0, sample__unipc__order=3)
    named = ["config.sample.heun.churn.amount = 2.0", "config.sample.unipc.order = 3"]
    assert sorted(sample.options_without_effect(c)) == named
    assert (
        sample.options_without_effect(
            tiny.config(sample__sampler="ddim", sample__ddim__eta=0.5)
        )
        == []
    )
