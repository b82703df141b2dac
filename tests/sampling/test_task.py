"""What a task gives: what it is recorded as, and how its options are asked."""

import numpy as np

from ddpm_jax.sampling.task import FROM_NOISE, Images, Task, TaskOptions, as_example
from ddpm_jax.sampling.tasks import TASKS
from tests import tiny


def shown(*values):
    return {f"image {i}": np.full((2, 2, 1), v, np.uint8) for i, v in enumerate(values)}


def test_content_is_recorded_by_its_bytes_under_its_name():
    assert FROM_NOISE.identity == {}
    one, same, other = (
        Task(shown=shown(*v)).identity for v in ((1, 2), (1, 2), (1, 3))
    )
    assert one == same != other
    assert one.keys() == {"given image 0", "given image 1"}
    assert one["given image 0"] == other["given image 0"] != one["given image 1"]
    assert all(len(digest) == 16 for digest in one.values())


def test_only_names_of_image_files_are_files():
    found = {name: set(choice.options().files) for name, choice in TASKS.items()}
    assert found == {
        "generate": set(),
        "inpainting": {"image", "mask"},
        "colorization": {"image"},
        "super_resolution": {"image"},
        "image_to_image": {"image"},
        "interpolation": {"first", "last"},
    }


def test_a_task_takes_the_whole_way_once_unless_it_says_otherwise():
    for name, choice in TASKS.items():
        options = choice.options()
        assert isinstance(options, TaskOptions)
        share = 0.6 if name == "image_to_image" else 1.0
        assert (options.share_of_times, options.resampling) == (share, None), name
    again = TASKS["inpainting"].options(num_resamples=3, jump_length=5)
    assert again.resampling == (3, 5)
    assert TASKS["image_to_image"].options(strength=0.25).share_of_times == 0.25
    noise = {name for name, choice in TASKS.items() if choice.has("from_noise")}
    assert noise == {"generate"}


def test_an_image_is_named_by_its_option_and_shown_as_0_to_255():
    images = Images(tiny.config(sample__task="inpainting"), (2, 2, 1), 17)
    assert images.field("mask", "m.png") == "config.sample.inpainting.mask = 'm.png'"
    (grey,) = shown(16).values()
    assert np.all(images.shown(grey) == 255)
    example = as_example(grey)
    assert example.shape == (1, 2, 2, 1) and example.dtype == np.float32
    assert np.all(example == 16.0)
