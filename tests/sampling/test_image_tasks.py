"""Samples made from image files: what they keep, what they cost, and what is refused."""

import numpy as np
import pytest

from ddpm_jax import sample
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from tests import later, tiny
from tests.sampling.given import (
    SHAPE,
    between,
    config,
    drawn,
    from_image,
    inpainting,
    put,
    values,
)

pytestmark = pytest.mark.usefixtures("small_network", "one_device")


def test_where_all_is_painted_nothing_is_given(tmp_path):
    _, found = inpainting(tmp_path, np.ones((8, 8), bool))
    np.testing.assert_array_equal(found.pixels, drawn().pixels)


def test_where_nothing_is_painted_the_image_stays(tmp_path):
    image, found = inpainting(tmp_path, np.zeros((8, 8), bool))
    np.testing.assert_array_equal(found.pixels, np.tile(image[None], (4, 1, 1, 1)))


@pytest.mark.parametrize(
    "sampler",
    later.all_but(["ancestral", "ddim", "heun", "ode"], ("heun", "ode")),
)
def test_known_pixels_are_kept_and_the_others_drawn(tmp_path, sampler):
    painted = np.arange(64).reshape(8, 8) % 3 == 0
    options = {"sample__sampler": sampler, "sample__ode__rtol": 1e-2}
    image, found = inpainting(tmp_path, painted, **options)
    kept = np.tile(image[~painted], (4, 1, 1))
    np.testing.assert_array_equal(found.pixels[:, ~painted], kept)
    drawn_there = {one[painted].tobytes() for one in found.pixels}
    assert len(drawn_there) == 4
    # What is known has a say in what is not.
    assert not np.array_equal(
        found.pixels[:, painted], drawn(**options).pixels[:, painted]
    )


def test_block_means_are_those_of_the_small_image(tmp_path):
    small = values(1, 4, 4, 1)
    small[0, :2, 0] = 0, 16
    found = drawn(
        sample__task="super_resolution",
        sample__super_resolution__image=put(tmp_path / "small.png", small),
    )
    assert (
        found.pixels.max() <= 16 and len({one.tobytes() for one in found.pixels}) == 4
    )
    sums = found.pixels.astype(int).reshape(4, 4, 2, 4, 2).sum(axis=(2, 4))
    np.testing.assert_array_equal(
        sums, np.tile(4 * small[None, ..., 0].astype(int), (4, 1, 1))
    )
    np.testing.assert_array_equal(
        found.pixels[:, :2, :4],
        np.tile(np.repeat([[0, 0, 16, 16]], 2, axis=0)[None, ..., None], (4, 1, 1, 1)),
    )


def test_greys_are_those_of_the_given_image(tmp_path):
    grey = values(2, 8, 8, 1, num_values=256)
    found = drawn(
        sample__task="colorization",
        sample__colorization__image=put(tmp_path / "grey.png", grey, 256),
        data__name="photos",
        data__image_size=8,
    )
    sums = found.pixels.astype(int).sum(axis=-1)
    np.testing.assert_array_equal(
        sums, np.tile(3 * grey[None, ..., 0].astype(int), (4, 1, 1))
    )
    assert np.any(found.pixels[..., 0] != found.pixels[..., 1])


def test_the_strength_is_how_far_an_image_is_left(tmp_path):
    image = values(3, *SHAPE)
    path = put(tmp_path / "image.png", image)

    def distance(a, b):
        return np.abs(a.astype(int) - b).mean()

    plain = drawn(sample__num_steps=10).pixels
    weak, strong = from_image(path, 0.1), from_image(path, 1.0)
    # At the first latent sigma is 0.05, 0.4 of a value; at the last, alpha is.
    assert distance(weak.pixels, image) < 0.5 < 3.0 < distance(strong.pixels, image)
    assert distance(strong.pixels, plain) < 1.0 < 3.0 < distance(weak.pixels, plain)
    np.testing.assert_array_equal(weak.num_evaluations, 1)
    np.testing.assert_array_equal(strong.num_evaluations, 10)
    np.testing.assert_array_equal(from_image(path, 0.46).num_evaluations, 5)


@pytest.mark.long
def test_a_solver_begins_on_the_way_too(tmp_path):
    image = values(3, *SHAPE)
    path = put(tmp_path / "image.png", image)
    ode = {"sample__sampler": "ode", "sample__ode__rtol": 1e-3}
    weak, strong = (from_image(path, strength, **ode) for strength in (0.01, 1.0))
    assert np.abs(weak.pixels.astype(int) - image).mean() < 0.5
    assert np.all(weak.num_evaluations < strong.num_evaluations)


def test_where_a_sample_lies_between_images_is_a_matter_of_its_number(tmp_path):
    _, _, options = between(tmp_path)
    small = drawn(3, **{**options, "sample__batch_size": 2})
    large = drawn(1, **{**options, "sample__batch_size": 5})
    np.testing.assert_array_equal(small.pixels[:5], large.pixels)
    np.testing.assert_array_equal(small.num_evaluations, 2 * (3 * 3 + 2) + 4)
    assert len({one.tobytes() for one in large.pixels}) == 5


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_repaint_goes_through_stretches_again_and_counts_it(tmp_path, sampler):
    painted = np.arange(64).reshape(8, 8) % 2 == 0
    options = {"sample__sampler": sampler, "sample__num_steps": 6}
    twice = {
        "sample__inpainting__num_resamples": 3,
        "sample__inpainting__jump_length": 2,
    }
    _, once = inpainting(tmp_path, painted, **options)
    _, again = inpainting(tmp_path, painted, **options, **twice)
    np.testing.assert_array_equal(again.pixels[:, ~painted], once.pixels[:, ~painted])
    assert not np.array_equal(again.pixels, once.pixels)
    np.testing.assert_array_equal(once.num_evaluations, 6)
    # Five steps, and at each of the latents 0 and 2 twice two more; one at the end.
    np.testing.assert_array_equal(again.num_evaluations, 5 + 2 * 2 * 2 + 1)


BOTH = {
    "sample__task": "inpainting",
    "sample__inpainting__image": "a.png",
    "sample__inpainting__mask": "b.png",
}


PAIR = {
    "sample__task": "interpolation",
    "sample__sampler": "ddim",
    "sample__interpolation__first": "a.png",
    "sample__interpolation__last": "b.png",
}


SMALL = {"sample__task": "super_resolution", "sample__super_resolution__image": "a.png"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample__task": "inpaint"}, r"Did you mean 'inpainting'"),
        (
            {**PAIR, "model__class_conditional": True, "sample__classes": (3, 7)},
            r"down by one class: write one .* not \(3, 7\)",
        ),
        (
            {**PAIR, "model__class_conditional": True},
            r"down by one class: write one .* not \(\)",
        ),
        (
            {"sample__task": "inpainting"},
            r"needs config.sample.inpainting.image, a PNG",
        ),
        (
            {**BOTH, "sample__inpainting__mask": ""},
            r"needs config.sample.inpainting.mask",
        ),
        ({"sample__task": "colorization"}, r"needs config.sample.colorization.image"),
        (
            {**PAIR, "sample__interpolation__last": ""},
            r"needs config.sample.interpolation.last",
        ),
        ({**BOTH, "sample__end": "draw"}, r"config.sample.end = 'draw' would not keep"),
        (
            {**SMALL, "sample__end": "mean"},
            r"config.sample.end = 'mean' would not keep",
        ),
        (
            {
                **BOTH,
                "sample__sampler": "heun",
                "sample__inpainting__num_resamples": 2,
            },
            r"inpainting.num_resamples = 2 goes back .* config.sample.sampler = 'heun'",
        ),
        (
            {**BOTH, "sample__inpainting__num_resamples": 2},
            r"config.sample.inpainting.jump_length = 10: write less than the 4 times",
        ),
        (
            {**BOTH, "sample__inpainting__num_resamples": 0},
            r"config.sample.inpainting.num_resamples = 0: write 1 or more",
        ),
        (
            {"sample__image_to_image__strength": 0.0},
            r"config.sample.image_to_image.strength = 0.0: write a number in",
        ),
        (
            {"sample__image_to_image__strength": float("nan")},
            r"config.sample.image_to_image.strength = nan: write a number in",
        ),
        (
            {**SMALL, "sample__super_resolution__factor": 1},
            r"factor = 1: write 2 or more",
        ),
        ({**PAIR, "sample__sampler": "heun"}, r"write config.sample.sampler = 'ddim'"),
        ({**PAIR, "sample__ddim__eta": 1.0}, r"config.sample.ddim.eta = 0.0"),
        (
            {**PAIR, "sample__film__num_frames": 3},
            r"write config.sample.film.num_frames = 0",
        ),
        (
            {**PAIR, "sample__num_samples": 1},
            r"config.sample.num_samples from 2 on, not 1",
        ),
    ],
)
def test_what_cannot_work_is_told_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as error:
        check_config(config(**changes))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": ""}, r"needs config.sample.inpainting.image, a PNG"),
        (
            {"image": "nowhere.png"},
            r"inpainting.image = .* cannot be read \(No such file",
        ),
        (
            {"image": values(0, 9, 8, 1)},
            r"inpainting.image = .* is 9x8 pixels .* not 8x8",
        ),
        (
            {"image": values(0, 8, 8, 3)},
            r"inpainting.image = .* is RGB colour, not grey",
        ),
        ({"mask": values(0, 8, 8, 1)}, r"inpainting.mask = .* between black and white"),
        ({"mask": values(0, 4, 4, 1)}, r"inpainting.mask = .* is 4x4 pixels"),
        (
            {"task": "super_resolution", "factor": 3},
            r"config.sample.super_resolution.factor = 3 does not divide the 8x8 images",
        ),
        ({"task": "super_resolution"}, r"super_resolution.image = .* not 4x4: crop"),
        ({"task": "colorization"}, r"'colorization' is for colour images, .* are grey"),
    ],
)
def test_files_that_are_not_what_is_needed_are_refused(
    plain_run, tmp_path, changes, message
):
    task = changes.get("task", "inpainting")
    options = {"sample__task": task}
    if "factor" in changes:
        options["sample__super_resolution__factor"] = changes["factor"]
    for name in ("image", "mask") if task == "inpainting" else ("image",):
        given = changes.get(name, values(0, *SHAPE) // 16 * 16)
        if not isinstance(given, str):
            given = put(tmp_path / f"{name}.png", given)
        options[f"sample__{task}__{name}"] = given
    with pytest.raises(ConfigError, match=message) as error:
        c = tiny.config(**options, sample__folder=str(tmp_path / "drawn"))
        check_config(c)
        sample.run(c, plain_run)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "drawn").exists()
