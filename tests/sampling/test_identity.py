"""What samples depend on: samples of something else do not go into the same folder."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from ddpm_jax import sample
from ddpm_jax.check import check_config
from ddpm_jax.config import schema
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.samplers.readout import READOUTS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.sampling import guides, identity
from ddpm_jax.sampling.guide import Guide
from ddpm_jax.sampling.guides import GUIDES
from ddpm_jax.sampling.task import FROM_NOISE, Task
from ddpm_jax.sampling.tasks import TASKS
from tests import tiny
from tests.sampling import given, guided
from tests.test_sample import sampled

pytestmark = pytest.mark.usefixtures("small_network", "one_device")

TABLES = {
    "sampler": SAMPLERS,
    "spacing": TIME_GRIDS,
    "threshold": THRESHOLDS,
    "end": READOUTS,
    "guidance": GUIDES,
    "task": TASKS,
}
# Another value, where half of it, or one more, would not do.
OTHERS = {
    "ancestral.variance": "posterior",
    "dpm_solver.method": "single_step",
    "ode.solver": "dopri5",
    "weights": "raw",
    "seed": 5,
    "classes": (3, 7),
    "format": "png",
    "film.animation": "gif",
}
# Of config.sample, what changes no sample: files' names are recorded by what they hold.
OF_NO_EFFECT = {
    *("num_samples", "first", "batch_size", "folder", "format", "shard_size", "step"),
    *("film.num_frames", "film.num_images", "film.animation", "film.seconds"),
    *("contrast.samplers", "contrast.num_steps", "contrast.num_images"),
    *("ancestral.num_examples", "ode.max_steps"),
    *("inpainting.image", "inpainting.mask", "colorization.image"),
    *("super_resolution.image", "image_to_image.image"),
    *("interpolation.first", "interpolation.last"),
}
FIELDS = {
    name.removeprefix("sample."): leaf
    for name, leaf in schema.leaves().items()
    if name.startswith("sample.")
}


def owner_of(field):
    """(choosing field, choice) that an option belongs to, if to one."""
    name, dot, _ = field.partition(".")
    owners = [(by, name) for by, table in TABLES.items() if dot and name in table]
    return owners[0] if owners else None


def another(field):
    """A value other than the default."""
    value, table = FIELDS[field].default, TABLES.get(field)
    if field in OTHERS:
        return OTHERS[field]
    if table is not None:
        return next(name for name in table if name != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return FIELDS[field].example or (*value, 1)
    if isinstance(value, str):
        return "another"
    return value + 1 if isinstance(value, int) else 0.5 * value + 0.01


def identity_of(restored, changes, task=FROM_NOISE, guide=None, **others):
    c = schema.default()
    c.update_from_flattened_dict({f"sample.{k}": v for k, v in changes.items()})
    c.update_from_flattened_dict({k.replace("__", "."): v for k, v in others.items()})
    return identity.of(c, restored, guide or Guide(0, (), lambda *_: None), task)


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_part_of_the_samples_identity_unless_of_no_effect(field, plain):
    owner = owner_of(field)
    chosen = dict([owner]) if owner else {}
    before = identity_of(plain, chosen)
    after = identity_of(plain, chosen | {field: another(field)})
    assert (before == after) == (field in OF_NO_EFFECT)
    if field not in OF_NO_EFFECT:
        name = field if field == "seed" else f"config.sample.{field}"
        assert after[name] == another(field)
    if owner:
        # Of a choice that is not made it is of no effect.
        other = {owner[0]: next(n for n in TABLES[owner[0]] if n != owner[1])}
        assert identity_of(plain, other) == identity_of(
            plain, other | {field: another(field)}
        )


def test_the_seed_of_samples_is_the_runs_unless_they_have_their_own(plain):
    run, own = {"seed": 7}, {"seed": 7, "sample__seed": 3}
    assert identity_of(plain, {}, **run)["seed"] == 7
    assert identity_of(plain, {}, **own)["seed"] == 3
    assert identity_of(plain, {}, **own) == identity_of(plain, {}, seed=3)


def test_an_estimated_variance_depends_on_what_it_is_estimated_from(plain):
    analytic = {"ancestral.variance": "analytic"}
    more = analytic | {"ancestral.num_examples": 300}
    assert identity_of(plain, analytic) != identity_of(plain, more)


@pytest.mark.parametrize(
    "chosen, idle",
    [
        ({"sampler": "ode"}, ("num_steps", "spacing")),
        ({"sampler": "ode", "spacing": "karras"}, ("num_steps", "karras.rho")),
        ({"spacing": "explicit"}, ("num_steps",)),
    ],
)
def test_steps_that_are_not_counted_are_of_no_effect(chosen, idle, plain):
    for field in idle:
        changed = chosen | {field: another(field)}
        assert identity_of(plain, changed) == identity_of(plain, chosen), field


def test_between_two_images_the_number_of_samples_counts(plain):
    image = np.zeros((8, 8, 1), np.uint8)
    chosen, task = {"task": "interpolation"}, Task(first=image, last=image)
    more = chosen | {"num_samples": 65}
    assert identity_of(plain, chosen, task) != identity_of(plain, more, task)
    assert identity_of(plain, chosen, task)["config.sample.num_samples"] == 64


@pytest.mark.parametrize("field", [n for n in schema.leaves() if n[:7] != "sample."])
def test_of_all_other_fields_the_seed_alone_counts(field, plain):
    leaf = schema.leaves()[field]
    value = 7 if field == "seed" else leaf.default
    if field != "seed":
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, tuple):
            value = (*value, 1)
        else:
            value = f"{value}s" if isinstance(value, str) else value + 1
    same = identity_of(plain, {}, **{field: value}) == identity_of(plain, {})
    assert same == (field != "seed")


def test_the_weights_their_step_and_those_that_guide_are_told_by_their_arrays(plain):
    def arrays(value):
        return {"a": np.full(3, value, np.float32)}

    def guided_by(value):
        return Guide(0, arrays(value), lambda *_: None)

    ours = dataclasses.replace(plain, params=arrays(1.0), step=5)
    same = dataclasses.replace(plain, params=arrays(1.0), step=5)
    first = identity_of(ours, {}, guide=guided_by(1.0))
    assert first == identity_of(same, {}, guide=guided_by(1.0))
    others = [
        identity_of(dataclasses.replace(ours, step=6), {}, guide=guided_by(1.0)),
        identity_of(
            dataclasses.replace(ours, params=arrays(2.0)), {}, guide=guided_by(1.0)
        ),
        identity_of(ours, {}, guide=guided_by(2.0)),
        identity_of(ours, {}),
    ]
    assert all(other != first for other in others)
    shown = [Task(shown={"mask": np.full((2, 2, 1), v, np.uint8)}) for v in (0, 1)]
    assert identity_of(ours, {}, shown[0]) != identity_of(ours, {}, shown[1])


def test_samples_of_other_guiding_arrays_go_into_another_folder(
    told, told_run, sorter_run, tmp_path
):
    workdir = tmp_path / "sorter"
    shutil.copytree(sorter_run, workdir)
    c = guided.config(
        **guided.by_sorter(workdir),
        sample__folder=str(tmp_path / "drawn"),
        sample__num_steps=2,
    )
    sample.run(c, told_run)
    sample.run(c, told_run)
    shutil.rmtree(workdir / "checkpoints" / "2")
    with pytest.raises(ConfigError, match="arrays of classifier") as error:
        sample.run(c, told_run)
    assert "\n" not in str(error.value)
    assert guides.identity(guided.config(), guides.of(guided.config(), told)) == {}


def test_images_are_recorded_by_what_they_hold(plain_run, tmp_path):
    image, mask = given.values(0, *given.SHAPE), np.tri(8, dtype=bool)

    def go(path, image):
        c = tiny.config(
            sample__task="inpainting",
            sample__inpainting__image=given.put(path, image),
            sample__inpainting__mask=given.put_mask(tmp_path / "mask.png", mask),
            sample__folder=str(tmp_path / "drawn"),
        )
        check_config(c)
        sample.run(c, plain_run)

    go(tmp_path / "image.png", image)
    record = json.loads((tmp_path / "drawn" / "samples.json").read_text())
    text = json.dumps(record)
    assert "given before" in text and "given mask" in text
    assert str(tmp_path / "image.png") not in text
    found = np.load(tmp_path / "drawn" / "00000.npz")["images"]
    np.testing.assert_array_equal(found[:, ~mask], np.tile(image[~mask], (9, 1, 1)))
    shown = Image.open(tmp_path / "drawn_edit.png")
    assert shown.width > 100 and shown.height > 20
    # The same image elsewhere, and another at the same place.
    go(tmp_path / "other.png", image)
    with pytest.raises(ConfigError, match="given before") as error:
        go(tmp_path / "image.png", 16 - image)
    assert "\n" not in str(error.value) and "config.sample.folder" in str(error.value)


def test_more_samples_between_two_images_are_other_samples(plain_run, tmp_path):
    _, _, options = given.between(tmp_path)

    def go(num_samples):
        own = {
            **options,
            "sample__num_samples": num_samples,
            "sample__folder": str(tmp_path / "between"),
        }
        sample.run(tiny.config(**own), plain_run)

    go(3)
    with pytest.raises(ConfigError, match=r"num_samples \(now 4, then 3\)"):
        go(4)


def test_the_folder_of_other_samples_is_refused(plain_run, tmp_path):
    sampled(plain_run, tmp_path / "drawn", sample__sampler="ddim")
    for changes, named in (
        (
            {"sample__sampler": "unipc"},
            "config.sample.sampler .now 'unipc', then 'ddim'",
        ),
        (
            {"sample__sampler": "ddim", "sample__ddim__eta": 0.5},
            "config.sample.ddim.eta",
        ),
        (
            {"sample__sampler": "ddim", "sample__num_steps": 5},
            "config.sample.num_steps",
        ),
        (
            {"sample__sampler": "ddim", "sample__weights": "raw"},
            "config.sample.weights",
        ),
    ):
        with pytest.raises(ConfigError, match=named) as error:
            sampled(plain_run, tmp_path / "drawn", **changes)
        assert "\n" not in str(error.value)
        assert "config.sample.folder" in str(error.value)
    # What is of no effect may differ.
    sampled(
        plain_run, tmp_path / "drawn", sample__sampler="ddim", sample__unipc__order=3
    )
