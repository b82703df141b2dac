"""Pictures of trajectories: x_hat and z_t from noise to samples, as strip and animation."""

import numpy as np
from absl import logging
from ml_collections import ConfigDict as Config

from ddpm_jax.diffusion.samplers import ancestral
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling import drawings, sample_batches
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.tasks import Task


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
    x_hat, z = (np.asarray(part)[:, : c.num_images] for part in film)
    drawing = drawings.of_run(restored.data, config.data.train_split)
    files = {"film.png": encoding.png(drawing.strip(x_hat, z))}
    if c.animation:
        frames = np.stack(drawing.frames(x_hat, z))
        data = encoding.animation(frames, c.animation, c.seconds)
        files[f"film.{c.animation}"] = data
    return files
