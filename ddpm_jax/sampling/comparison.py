"""A picture that compares samplers and numbers of steps, from the same noise."""

import numpy as np
from absl import logging
from ml_collections import ConfigDict as Config

from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling import analytic_variance, checks, drawings, sample_batches
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.tasks import Task


def draw(
    config: Config, restored: Restored[Denoiser], guide: Guide, task: Task
) -> dict[str, bytes]:
    """Draws contrast.png: a row for each sampler, a column for each number of steps."""
    c = config.sample.contrast
    cells: dict[str, list[np.ndarray | None]] = {}
    for name, by_steps in checks.contrast_configs(config).items():
        row = f"{name}, steps of its own" if SAMPLERS[name].has("own_steps") else name
        cells[row] = []
        for num_steps in c.num_steps:
            variant = by_steps.get(num_steps)
            if variant is None:
                cells[row].append(None)
                continue
            logging.info("compiling %s of %d steps ...", name, num_steps)
            few = sample_batches.with_small_batch(variant, c.num_images)
            batches = sample_batches.Batches(
                few,
                restored.mesh,
                restored.model,
                guide,
                task,
                analytic_variance.of(few, restored, guide),
            )
            first = config.sample.first
            pixels = batches.draw(restored.params, first).pixels[: c.num_images]
            cells[row].append(pixels)
    columns = [f"{num_steps} steps" for num_steps in c.num_steps]
    drawing = drawings.of_run(restored.data, config.data.train_split)
    return {"contrast.png": encoding.png(drawing.comparison(cells, columns))}
