"""What samples are made from beside noise: from config.sample.task and its image files."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8
from ml_collections import ConfigDict as Config

from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.conditioning import linear_constraints
from ddpm_jax.diffusion.conditioning.linear_constraints import BlockMeans
from ddpm_jax.pictures import encoding, image_files

Image = UInt8[np.ndarray, "height width channels"]
GENERATE = "generate"


class Task(NamedTuple):
    """What is given, as pixel values.

    Attributes:
      known: what samples are to agree with, of one example; None: with nothing.
      first: the image to begin from; None: noise alone.
      last: the image to end at, where samples lie between two.
      shown: by name, what a picture shows before the samples, 0..255.
    """

    known: BlockMeans | None = None
    first: Image | None = None
    last: Image | None = None
    shown: Mapping[str, Image] = {}

    @property
    def identity(self) -> dict[str, str]:
        """What tells the files' content from others', for a record."""
        return {
            f"given {name}": hashlib.sha256(image.tobytes()).hexdigest()[:16]
            for name, image in self.shown.items()
        }


NOTHING = Task()


def of(config: Config, shape: tuple[int, int, int], num_values: int) -> Task:
    """What config.sample.task is given, read from its files.

    Args:
      config: of the run.
      shape: of the model's images, (height, width, channels).
      num_values: that their pixels may take.

    Raises:
      ConfigError: a file is not the image that is needed.
    """
    return TASKS[config.sample.task](config, shape, num_values)


def without_files(config: Config) -> Task:
    """For samples of which there is no need to say from what, as in training.

    Raises:
      ConfigError: config.sample.task needs to be said.
    """
    if config.sample.task != GENERATE:
        raise ConfigError(
            f"config.sample.task = {config.sample.task!r} is for --mode=sample alone: write"
            f" {GENERATE!r}."
        )
    return NOTHING


def files(config: Config) -> dict[str, str]:
    """By their fields, the files that the task reads."""
    task = config.sample.task
    if task == GENERATE:
        return {}
    return {
        f"config.sample.{task}.{name}": config.sample[task][name]
        for name in ("image", "mask", "first", "last")
        if name in config.sample[task]
    }


def check(config: Config) -> None:
    """Fails on a task that cannot be done, before a file is read."""
    c = config.sample
    for field, path in files(config).items():
        if not path:
            raise ConfigError(
                f"config.sample.task = {c.task!r} needs {field}, a PNG or JPEG file."
            )
    repaints = c.task == "inpainting" and c.inpainting.num_resamples > 1
    wrong = {
        f"config.sample.end = {c.end!r} would not keep what {c.task} is given: write"
        " 'denoise'.": c.task in CONSTRAINED and c.end != "denoise",
        f"config.sample.inpainting.num_resamples = {c.inpainting.num_resamples} goes back up"
        f" the chain, which config.sample.sampler = {c.sampler!r} cannot: write 'ancestral'"
        " or 'ddim'.": repaints and c.sampler not in ("ancestral", "ddim"),
        f"config.sample.image_to_image.strength = {c.image_to_image.strength}: write a number"
        " in (0, 1], such as 0.6.": not 0.0 < c.image_to_image.strength <= 1.0,
        "config.sample.task = 'interpolation' goes up and down by DDIM: write"
        " config.sample.sampler = 'ddim' and config.sample.ddim.eta = 0.0.": c.task
        == "interpolation"
        and (c.sampler != "ddim" or c.ddim.eta != 0.0),
        "config.sample.task = 'interpolation' goes up from both images and down by one class:"
        f" write one in config.sample.classes, such as (-1,) for none, not"
        f" {tuple(c.classes)}.": c.task == "interpolation"
        and (config.model.class_conditional or c.guidance == "classifier")
        and len(c.classes) != 1,
        "config.sample.task = 'interpolation' has no film of its way: write"
        " config.sample.film.num_frames = 0.": c.task == "interpolation"
        and c.film.num_frames > 0,
        "config.sample.task = 'interpolation' lies between two images: write"
        f" config.sample.num_samples from 2 on, not {c.num_samples}.": c.task
        == "interpolation"
        and c.num_samples < 2,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(message)


def _read(config: Config, name: str, shape: tuple[int, int, int], num: int) -> Image:
    field = f"config.sample.{config.sample.task}.{name}"
    path = files(config)[field]
    return image_files.read(path, shape, num, f"{field} = {path!r}")


def _inpainting(config: Config, shape: tuple[int, int, int], num: int) -> Task:
    image = _read(config, "image", shape, num)
    path = config.sample.inpainting.mask
    field = f"config.sample.inpainting.mask = {path!r}"
    painted = image_files.read_mask(path, shape, field)
    known = linear_constraints.inpainting(_real(image), jnp.asarray(painted)[None])
    shown = {"before": _seen(image, num), "mask": np.uint8(255) * painted}
    return Task(known=known, shown=shown)


def _colorization(config: Config, shape: tuple[int, int, int], num: int) -> Task:
    height, width, channels = shape
    if channels != 3:
        raise ConfigError(
            "config.sample.task = 'colorization' is for colour images, and those of"
            f" config.data.name = {config.data.name!r} are grey."
        )
    grey = _read(config, "image", (height, width, 1), num)
    known = linear_constraints.colorization(_real(grey), channels)
    return Task(known=known, shown={"before": _seen(grey, num)})


def _super_resolution(config: Config, shape: tuple[int, int, int], num: int) -> Task:
    height, width, channels = shape
    factor = config.sample.super_resolution.factor
    if height % factor or width % factor:
        raise ConfigError(
            f"config.sample.super_resolution.factor = {factor} does not divide the"
            f" {height}x{width} images of config.data.name = {config.data.name!r}."
        )
    small = _read(config, "image", (height // factor, width // factor, channels), num)
    known = linear_constraints.super_resolution(_real(small), factor)
    large = small.repeat(factor, axis=0).repeat(factor, axis=1)
    return Task(known=known, shown={"before": _seen(large, num)})


def _image_to_image(config: Config, shape: tuple[int, int, int], num: int) -> Task:
    image = _read(config, "image", shape, num)
    return Task(first=image, shown={"before": _seen(image, num)})


def _interpolation(config: Config, shape: tuple[int, int, int], num: int) -> Task:
    first, last = (_read(config, name, shape, num) for name in ("first", "last"))
    shown = {"first": _seen(first, num), "last": _seen(last, num)}
    return Task(first=first, last=last, shown=shown)


def _real(image: Image) -> Any:
    """One example of pixel values as real numbers."""
    return jnp.asarray(image, jnp.float32)[None]


def _seen(image: Image, num_values: int) -> Image:
    return encoding.to_uint8(image, num_values)


# By config.sample.task; those with something known to agree with are CONSTRAINED.
TASKS: Mapping[str, Callable[[Config, tuple[int, int, int], int], Task]] = {
    GENERATE: lambda config, shape, num_values: NOTHING,
    "inpainting": _inpainting,
    "colorization": _colorization,
    "super_resolution": _super_resolution,
    "image_to_image": _image_to_image,
    "interpolation": _interpolation,
}
CONSTRAINED = ("inpainting", "colorization", "super_resolution")
