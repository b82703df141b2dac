"""An estimator of a likelihood: -log p of each image of a batch, and what that means."""

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
    """What estimators share of a config, beside the options of their own.

    Attributes:
      num_draws: config.eval.num_draws.
      num_pilot_examples: config.eval.pilot_examples.
      num_steps: T, the number of latents, or `times.CONTINUOUS`.
      seed: of the run.
      outcome: what the probability is of, in a report's words: "pixels", or "pixels | class".
    """

    num_draws: int
    num_pilot_examples: int
    num_steps: int
    seed: int
    outcome: str = "pixels"


class Batch(NamedTuple):
    """Images to measure, and what their noise is drawn by.

    Attributes:
      pixels: integers.
      keys: one an image, from its number alone.
      numbers: of the images in the split.
      edges: of strata of time, as a pilot pass found them; None: there was none.
    """

    pixels: Pixels
    keys: Key[Array, " batch"]
    numbers: Int[Array, " batch"]
    edges: Float[Array, " strata_and_one"] | None = None


# (model, what made x of pixels, images) -> -log p of each, nats.
Estimating = Callable[[Diffusion, PixelDecoder, Batch], Estimate]
# (times, nats per unit of time there), each [draws, examples] -> edges of strata, from 0 to 1.
Allocation = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Pilot(NamedTuple):
    """A pass over some images that tells where along time draws are worth most.

    Attributes:
      estimate: of these images, with a profile; its noise is that of `Stream.PILOT`.
      num_evaluations: of the network, an image.
      edges: of strata, from the profiles of all of them.
    """

    estimate: Estimating
    num_evaluations: Callable[[PixelDecoder], int]
    edges: Allocation


class LikelihoodEstimator(NamedTuple):
    """One of the estimators that config.eval.estimators may list.

    Attributes:
      estimate: -log p of each image.
      figure: what its mean in bits per dim is, in a report's words.
      num_draws: independent ones of each image's noise.
      stream: of its noise, which no other estimator has; None: one made of its name.
      pilot: the pass before, if the config asks for one.
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
