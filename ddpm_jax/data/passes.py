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
    """This process's part of the batches of one pass."""
    return pipeline.eval_batches(
        source,
        batch_size=batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )


def each(
    mesh: Mesh, source: Source, batch_size: int, title: str
) -> Iterator[tuple[dict[str, Array], np.ndarray]]:
    """Each batch on the devices, and which of its examples do not just fill it up."""
    every = batches(source, batch_size)
    bar = progress.Bar(title, len(every))
    with bar, contextlib.closing(pipeline.iterate(every)) as rest:
        for local in rest:
            yield sharding.put_masked(mesh, local)
            bar.update()
