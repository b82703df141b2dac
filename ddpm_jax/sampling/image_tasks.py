"""Tasks that start from a user's image files."""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import Choice, chosen, option
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.conditioning import linear_constraints
from ddpm_jax.diffusion.samplers.readout import READOUTS
from ddpm_jax.diffusion.samplers.setting import SamplerOptions
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.pictures import image_files
from ddpm_jax.sampling.guides import GUIDES
from ddpm_jax.sampling.task import (
    Images,
    Resampling,
    Task,
    TaskOptions,
    as_example,
)


@dataclasses.dataclass(frozen=True)
class FromImage(TaskOptions):
    """Options of a task that starts from an image."""

    image: str = option("", "A PNG or JPEG file.")


class Constrained(FromImage):
    """Options of a task whose samples satisfy a constraint exactly."""

    def wrong(self, config: Config) -> Iterator[str]:
        c = config.sample
        if READOUTS[c.end].has("reads_z_0"):
            yield (
                f"config.sample.end = {c.end!r} would not keep what {c.task} is given:"
                " write 'denoise'."
            )


@dataclasses.dataclass(frozen=True)
class Inpainting(Constrained):
    """Options of inpainting; with two or more resamples, of RePaint."""

    mask: str = option("", "A PNG or JPEG file: white is painted, black kept.")
    num_resamples: int = option(1, "Passes of each segment of times.", at_least=1)
    jump_length: int = option(10, "Steps of a segment.", at_least=1)

    @property
    def resampling(self) -> Resampling | None:
        if self.num_resamples == 1:
            return None
        return Resampling(self.num_resamples, self.jump_length)

    def wrong(self, config: Config) -> Iterator[str]:
        yield from super().wrong(config)
        c = config.sample
        if self.resampling and not SAMPLERS[c.sampler].has("memoryless"):
            yield (
                f"config.sample.{c.task}.num_resamples = {self.num_resamples} goes back up"
                f" the chain, which config.sample.sampler = {c.sampler!r} cannot: write"
                " 'ancestral' or 'ddim'."
            )


def _inpainting(options: Inpainting, images: Images) -> Task:
    image = images.read("image", options.image, images.shape)
    field = images.field("mask", options.mask)
    painted = image_files.read_mask(options.mask, images.shape, field)
    known = linear_constraints.inpainting(as_example(image), jnp.asarray(painted)[None])
    shown = {"before": images.shown(image), "mask": np.uint8(255) * painted}
    return Task(known=known, shown=shown)


class Colorization(Constrained):
    """Options of colorization, from a grey image that is the mean of the channels."""


def _colorization(options: Colorization, images: Images) -> Task:
    height, width, channels = images.shape
    if channels != 3:
        raise ConfigError(
            "config.sample.task = 'colorization' is for colour images, and those of"
            f" config.data.name = {images.config.data.name!r} are grey."
        )
    grey = images.read("image", options.image, (height, width, 1))
    known = linear_constraints.colorization(as_example(grey), channels)
    return Task(known=known, shown={"before": images.shown(grey)})


@dataclasses.dataclass(frozen=True)
class SuperResolution(Constrained):
    """Options of super-resolution."""

    factor: int = option(2, "How much smaller the image is.", at_least=2)


def _super_resolution(options: SuperResolution, images: Images) -> Task:
    height, width, channels = images.shape
    factor = options.factor
    if height % factor or width % factor:
        raise ConfigError(
            f"config.sample.super_resolution.factor = {factor} does not divide the"
            f" {height}x{width} images of config.data.name ="
            f" {images.config.data.name!r}."
        )
    shape = (height // factor, width // factor, channels)
    small = images.read("image", options.image, shape)
    known = linear_constraints.super_resolution(as_example(small), factor)
    large = small.repeat(factor, axis=0).repeat(factor, axis=1)
    return Task(known=known, shown={"before": images.shown(large)})


@dataclasses.dataclass(frozen=True)
class ImageToImage(FromImage):
    """Options of variations of an image (SDEdit)."""

    strength: float = option(
        0.6,
        "Share of the times from the image to noise.",
        above=0.0,
        at_most=1.0,
        remedy="write a number in (0, 1], such as 0.6",
    )

    @property
    def share_of_times(self) -> float:
        return self.strength


def _image_to_image(options: ImageToImage, images: Images) -> Task:
    image = images.read("image", options.image, images.shape)
    return Task(first=image, shown={"before": images.shown(image)})


@dataclasses.dataclass(frozen=True)
class Interpolation(TaskOptions):
    """Options of interpolation: samples spread evenly from one image to another."""

    first: str = option("", "A PNG or JPEG file, the first sample.")
    last: str = option("", "A PNG or JPEG file, the last sample.")
    num_iterations: int = option(
        3, "Iterations of DDIM's inversion in a step.", at_least=1
    )

    def wrong(self, config: Config) -> Iterator[str]:
        c, name = config.sample, f"config.sample.task = {config.sample.task!r}"
        _, sampler = chosen(SAMPLERS, c, "sampler", "sample")
        assert isinstance(sampler, SamplerOptions)
        if not sampler.is_invertible:
            yield (
                f"{name} goes up and down by DDIM: write config.sample.sampler = 'ddim' and"
                " config.sample.ddim.eta = 0.0."
            )
        has_classes = config.model.class_conditional or GUIDES[c.guidance].has(
            "knows_classes"
        )
        if len(c.classes) != 1 and has_classes:
            yield (
                f"{name} goes up from both images and down by one class: write one in"
                f" config.sample.classes, such as (-1,) for none, not {tuple(c.classes)}."
            )
        if c.film.num_frames > 0:
            yield (
                f"{name} has no film of its way: write config.sample.film.num_frames = 0."
            )
        if c.first:
            yield (
                f"{name} spreads its samples from the first image to the last: write"
                f" config.sample.first = 0, not {c.first}."
            )
        if c.num_samples < 2:
            yield (
                f"{name} lies between two images: write config.sample.num_samples from 2"
                f" on, not {c.num_samples}."
            )


def _interpolation(options: Interpolation, images: Images) -> Task:
    first = images.read("first", options.first, images.shape)
    last = images.read("last", options.last, images.shape)
    shown = {"first": images.shown(first), "last": images.shown(last)}
    return Task(first=first, last=last, shown=shown)


INPAINTING = Choice(Inpainting, _inpainting)
COLORIZATION = Choice(Colorization, _colorization)
SUPER_RESOLUTION = Choice(SuperResolution, _super_resolution)
IMAGE_TO_IMAGE = Choice(ImageToImage, _image_to_image)
INTERPOLATION = Choice(Interpolation, _interpolation)
