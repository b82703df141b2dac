"""One pass over a source: every example once and in order, on the devices."""

import contextlib
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from ddpm_jax.core import progress, sharding
from ddpm_jax.data import pipeline
from ddpm_jax.data.source import Source


def batches(source: Source, batch_size: int) -> pipeline.Batches:
    """The batches of one pass, this process's part of each."""
    return pipeline.eval_batches(
        source,
        batch_size=batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


def device_batches(
    mesh: Mesh, source: Source, batch_size: int, title: str
) -> Iterator[tuple[dict[str, Array], np.ndarray]]:
    """Yields each batch on the devices, and the mask of its examples that are not padding."""
    all_batches = batches(source, batch_size)
    bar = progress.Bar(title, len(all_batches))
    with bar, contextlib.closing(pipeline.iterate(all_batches)) as local_batches:
        for local in local_batches:
            yield sharding.put_masked(mesh, local)
            bar.update()
