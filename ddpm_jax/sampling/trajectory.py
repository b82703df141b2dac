"""Pictures of trajectories: x_hat and z_t from noise to samples, as strip and animation."""

import numpy as np
from absl import logging
from jaxtyping import UInt8
from ml_collections import ConfigDict as Config

from ddpm_jax.diffusion.samplers import ancestral
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.pictures import encoding, grids
from ddpm_jax.sampling import sample_batches
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.tasks import Task

GAP = 8  # Screen pixels between latents and estimates.


def draw(
    config: Config,
    restored: Restored[Denoiser],
    guide: Guide,
    task: Task,
    log_variance: ancestral.LogVariance | None,
) -> dict[str, bytes]:
    """The pictures that config.sample.film asks for, by the ends of their file names."""
    c = config.sample.film
    logging.info("compiling the film's sampler ...")
    few = sample_batches.with_small_batch(config, c.num_images)
    batches = sample_batches.Batches(
        few, restored.mesh, restored.model, guide, task, log_variance, c.num_frames
    )
    film = batches.draw(restored.params, config.sample.first).film
    assert film is not None
    x_hat, z = (
        encoding.to_uint8(
            part[:, : c.num_images], restored.model.pixel_decoder.num_values
        )
        for part in film
    )
    files = {"film.png": encoding.png(grids.strip(x_hat, z))}
    if c.animation:
        frames = np.stack([_side_by_side(*pair) for pair in zip(x_hat, z, strict=True)])
        data = encoding.animation(frames, c.animation, c.seconds)
        files[f"film.{c.animation}"] = data
    return files


def _side_by_side(
    x_hat: UInt8[np.ndarray, "images height width channels"],
    z: UInt8[np.ndarray, "images height width channels"],
) -> UInt8[np.ndarray, "sheet_height sheet_width channels"]:
    """A frame with z_t on the left and x_hat on the right."""
    left, right = grids.grid(z), grids.grid(x_hat)
    between = np.full((left.shape[0], GAP, left.shape[2]), 255, np.uint8)
    return np.concatenate([left, between, right], axis=1)
