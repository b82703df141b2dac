"""The interface of likelihood estimators: estimates of -log p of each image of a batch."""

import zlib
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.pixel_decoder import PixelDecoder, Pixels


class Setting(NamedTuple):
    """The inputs of estimators beside their own options.

    Attributes:
      num_draws: config.eval.num_draws.
      num_pilot_examples: config.eval.pilot_examples.
      num_steps: T, the number of latents, or `times.CONTINUOUS`.
      seed: the run's seed.
      outcome: the random variable in words for a report: "pixels", or "pixels | class".
      is_continuous: whether the data are real numbers, whose likelihood is a density.
    """

    num_draws: int
    num_pilot_examples: int
    num_steps: int
    seed: int
    outcome: str = "pixels"
    is_continuous: bool = False

    @property
    def figure(self) -> str:
        """The likelihood in words for a report."""
        if self.is_continuous:
            return f"-log2 p({self.outcome}) / dims, a density in the data's units,"
        return f"-log2 P({self.outcome}) / dims"


class Batch(NamedTuple):
    """Images to measure, with the keys of their noise.

    Attributes:
      pixels: pixel values 0..V-1, or real numbers.
      keys: one for each image, from its number alone.
      numbers: numbers of the images in the split.
      edges: edges of strata of time, from a pilot pass; None: there was none.
    """

    pixels: Pixels
    keys: Key[Array, " batch"]
    numbers: Int[Array, " batch"]
    edges: Float[Array, " strata_and_one"] | None = None


# (model, pixel decoder, images) -> -log p of each in nats.
Estimating = Callable[[Diffusion, PixelDecoder, Batch], Estimate]
# (times, nats per unit of time there), each [draws, examples] -> edges of strata, from 0 to 1.
Allocation = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Pilot(NamedTuple):
    """A pilot pass over some images, from which strata of time are chosen.

    Attributes:
      estimate: estimate of these images with a profile, and the noise of `Stream.PILOT`.
      num_evaluations: evaluations of the network for each image.
      edges: edges of strata, from the profiles of all images.
    """

    estimate: Estimating
    num_evaluations: Callable[[PixelDecoder], int]
    edges: Allocation


class LikelihoodEstimator(NamedTuple):
    """An estimator of a likelihood.

    Attributes:
      estimate: -log p of each image.
      figure: the quantity that its mean estimates, in words for a report.
      num_draws: independent draws of noise for each image.
      stream: stream of its noise, which no other estimator has; None: made of its name.
      pilot: the pilot pass, if the config asks for one.
    """

    estimate: Estimating
    figure: str
    num_draws: int
    stream: Stream | None = None
    pilot: Pilot | None = None


def noise_key(seed: int, name: str, estimator: LikelihoodEstimator) -> Key[Array, ""]:
    """The root of the noise of the estimator that a config lists by this name."""
    if estimator.stream is not None:
        return stream_key(seed, estimator.stream)
    root = stream_key(seed, Stream.EVAL_OTHER)
    return jax.random.fold_in(root, zlib.crc32(name.encode()))
