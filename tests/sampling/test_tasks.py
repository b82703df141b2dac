"""Samples made from image files: what they keep, what they cost, and what is refused."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ddpm_jax import sample, train
from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.models import build
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling import rollout, sample_batches, tasks
from tests import tiny

NUM_VALUES = 17
SHAPE = (8, 8, 1)


pytestmark = pytest.mark.usefixtures("small_network", "one_device")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A workdir with a checkpoint of two steps."""
    path = tmp_path_factory.mktemp("run")
    assert train.run(tiny.config(training__num_steps=2), path) == 0
    return path


def values(seed, *shape, num_values=NUM_VALUES):
    return np.random.default_rng(seed).integers(0, num_values, shape).astype(np.uint8)


def put(path, image, num_values=NUM_VALUES):
    """Writes pixel values as a PNG; returns its path as text."""
    path.write_bytes(encoding.png(encoding.to_uint8(image, num_values)))
    return str(path)


def put_mask(path, painted):
    path.write_bytes(encoding.png(np.uint8(255) * painted[..., None]))
    return str(path)


def config(**changes):
    few = {"sample__batch_size": 4, "sample__num_samples": 4}
    return tiny.config(**(few | changes))


def drawn(num_batches=1, **changes):
    """A network away from its start, and what the config's task makes by it."""
    c = config(**changes)
    check_config(c)
    model = build.model(c, build.source(c, "test"))
    params = tiny.away_from_start(jax.jit(model.init)(jax.random.key(0)))
    mesh = tiny.one_device()
    task = tasks.of(c, model.shape, model.pixel_decoder.num_values)
    batches = sample_batches.Batches(c, mesh, model, None, task)
    found = [batches.draw(params, i * c.sample.batch_size) for i in range(num_batches)]
    assert batches._compiled._cache_size() == 1
    return jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def inpainting(tmp_path, painted, **changes):
    image = values(0, *SHAPE)
    found = drawn(
        sample__task="inpainting",
        sample__inpainting__image=put(tmp_path / "image.png", image),
        sample__inpainting__mask=put_mask(tmp_path / "mask.png", painted),
        **changes,
    )
    return image, found


def test_where_all_is_painted_nothing_is_given(tmp_path):
    _, found = inpainting(tmp_path, np.ones((8, 8), bool))
    np.testing.assert_array_equal(found.pixels, drawn().pixels)


def test_where_nothing_is_painted_the_image_stays(tmp_path):
    image, found = inpainting(tmp_path, np.zeros((8, 8), bool))
    np.testing.assert_array_equal(found.pixels, np.tile(image[None], (4, 1, 1, 1)))


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "heun", "ode"])
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


def from_image(path, strength, **changes):
    return drawn(
        sample__task="image_to_image",
        sample__image_to_image__image=path,
        sample__image_to_image__strength=strength,
        sample__num_steps=10,
        **changes,
    )


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


def test_a_solver_begins_on_the_way_too(tmp_path):
    image = values(3, *SHAPE)
    path = put(tmp_path / "image.png", image)
    ode = {"sample__sampler": "ode", "sample__ode__rtol": 1e-3}
    weak, strong = (from_image(path, strength, **ode) for strength in (0.01, 1.0))
    assert np.abs(weak.pixels.astype(int) - image).mean() < 0.5
    assert np.all(weak.num_evaluations < strong.num_evaluations)


def between(tmp_path, **changes):
    a, b = values(4, *SHAPE), values(5, *SHAPE)
    options = {
        "sample__task": "interpolation",
        "sample__sampler": "ddim",
        "sample__interpolation__first": put(tmp_path / "first.png", a),
        "sample__interpolation__last": put(tmp_path / "last.png", b),
        "sample__num_samples": 5,
    }
    return a, b, options | changes


def of_normal_data(log_snr, calls):
    """The exact model of pixels that are independent and standard normal.

    x_hat = alpha z and eps_hat = sigma z, so that DDIM goes from t to s by a factor, the
    cosine of an angle.
    """

    def denoise(z_t, t):
        jax.debug.callback(lambda: calls.append(z_t.shape[0]))
        at = log_snr(t)[:, None, None, None]
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(at)), jnp.sqrt(jax.nn.sigmoid(-at))
        return Prediction(
            x=alpha * z_t, eps=sigma * z_t, variance_fraction=jnp.zeros(())
        )

    return Diffusion(log_snr, denoise)


def test_an_interpolation_goes_along_the_arc_from_image_to_image(tmp_path):
    a, b, options = between(tmp_path, sample__interpolation__num_iterations=25)
    c = config(**options, sample__num_steps=10, sample__threshold="none")
    check_config(c)
    model = build.model(c, build.source(c, "test"))
    draw = rollout.make(c, model, tasks.of(c, model.shape, NUM_VALUES))
    keys, calls = jax.random.split(jax.random.key(0), 6), []
    diffusion = of_normal_data(model.schedule.log_snr, calls)
    found = jax.jit(lambda: draw(diffusion, keys, keys, None, jnp.arange(6)))()
    jax.effects_barrier()

    x_a, x_b = (image.astype(np.float64) / 8.0 - 1.0 for image in (a, b))
    cosine = np.sum(x_a * x_b) / np.linalg.norm(x_a) / np.linalg.norm(x_b)
    angle = np.arccos(cosine)
    # At the least noise x_hat is alpha z, and z alpha times the image.
    squared = 1.0 / (1.0 + np.exp(-6.0))
    for j, share in enumerate([0.0, 0.25, 0.5, 0.75, 1.0, 1.0]):
        x = np.sin((1.0 - share) * angle) * x_a + np.sin(share * angle) * x_b
        want = np.clip(8.0 * (squared * x / np.sin(angle) + 1.0), 0.0, 16.0)
        # Half a value of rounding, and a little for that of 9 steps and back.
        np.testing.assert_allclose(found.pixels[j], want, atol=0.55)
    np.testing.assert_array_equal(found.pixels[0], a)
    np.testing.assert_array_equal(found.pixels[4], b)
    # Both images up, a sample down.
    up, down = calls.count(2), calls.count(6)
    assert len(calls) == up + down and down == 10
    np.testing.assert_array_equal(found.num_evaluations, 2 * up + down)
    assert up == 25 * 9 + 2


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


def test_images_are_recorded_by_what_they_hold(run, tmp_path):
    image, mask = values(0, *SHAPE), np.tri(8, dtype=bool)

    def go(path, image):
        c = tiny.config(
            sample__task="inpainting",
            sample__inpainting__image=put(path, image),
            sample__inpainting__mask=put_mask(tmp_path / "mask.png", mask),
            sample__folder=str(tmp_path / "drawn"),
        )
        check_config(c)
        sample.run(c, run)

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


def test_more_samples_between_two_images_are_other_samples(run, tmp_path):
    _, _, options = between(tmp_path)

    def go(num_samples):
        own = {
            **options,
            "sample__num_samples": num_samples,
            "sample__folder": str(tmp_path / "between"),
        }
        sample.run(tiny.config(**own), run)

    go(3)
    with pytest.raises(ConfigError, match=r"num_samples \(now 4, then 3\)"):
        go(4)


def test_the_default_folder_is_named_after_the_task(run, tmp_path):
    path = put(tmp_path / "image.png", values(0, *SHAPE))
    c = tiny.config(sample__task="image_to_image", sample__image_to_image__image=path)
    sample.run(c, run)
    assert (run / "samples" / "2_ancestral_4_image_to_image" / "00000.npz").exists()
    assert (run / "samples" / "2_ancestral_4_image_to_image_edit.png").exists()


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
def test_files_that_are_not_what_is_needed_are_refused(run, tmp_path, changes, message):
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
        sample.run(c, run)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "drawn").exists()


def test_training_draws_from_noise_alone(tmp_path):
    c = tiny.config(
        training__num_steps=2,
        training__sample_every=2,
        sample__task="image_to_image",
        sample__image_to_image__image="a.png",
    )
    check_config(c)
    with pytest.raises(ConfigError, match="'image_to_image' is for --mode=sample"):
        train.run(c, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
