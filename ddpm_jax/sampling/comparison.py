"""Samplers beside each other, from the same noise, by numbers of steps."""

import numpy as np
from absl import logging

from ddpm_jax import drawing, pictures, sample_checks, samplers, variance
from ddpm_jax.binding import Model
from ddpm_jax.config import Config
from ddpm_jax.guides import Guide
from ddpm_jax.tasks import Task
from ddpm_jax.trained import Trained


def draw(
    config: Config, t: Trained[Model], guide: Guide, task: Task
) -> dict[str, bytes]:
    """contrast.png: rows of samplers, columns of steps."""
    c = config.sample.contrast
    cells: dict[str, list[np.ndarray | None]] = {}
    for name, by_steps in sample_checks.contrasted(config).items():
        row = f"{name}, steps of its own" if name == samplers.ODE else name
        cells[row] = []
        for num_steps in c.num_steps:
            own = by_steps.get(num_steps)
            if own is None:
                cells[row].append(None)
                continue
            logging.info("compiling %s of %d steps ...", name, num_steps)
            few = drawing.of_few(own, c.num_images)
            batches = drawing.Batches(
                few, t.mesh, t.model, guide, task, variance.of(few, t, guide)
            )
            pixels = batches.draw(t.params, 0).pixels[: c.num_images]
            cells[row].append(pictures.to_uint8(pixels, t.model.codec.num_values))
    columns = [f"{num_steps} steps" for num_steps in c.num_steps]
    return {"contrast.png": pictures.png(pictures.comparison(cells, columns))}
