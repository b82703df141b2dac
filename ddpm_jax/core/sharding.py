"""Arrays over a mesh of devices: batches sharded over all, results whole on every host."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

BATCH_AXES = ("data", "fsdp")

HostBatch = Mapping[str, np.ndarray]


def make_mesh(fsdp: int) -> Mesh:
    """The mesh of all devices, of shape [devices / fsdp, fsdp]."""
    num_devices = jax.device_count()
    if fsdp < 1 or num_devices % fsdp:
        fits = [n for n in range(1, num_devices + 1) if num_devices % n == 0]
        raise ValueError(
            f"config.parallel.fsdp = {fsdp} does not divide the {num_devices} devices:"
            f" write one of {fits}."
        )
    return jax.make_mesh(
        (num_devices // fsdp, fsdp), BATCH_AXES, axis_types=(AxisType.Auto,) * 2
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(BATCH_AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def put_batch(mesh: Mesh, batch: HostBatch) -> dict[str, Array]:
    """Puts this process's slice of a global batch onto its devices."""
    sharding = batch_sharding(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, np.asarray(values))
        for name, values in batch.items()
    }


def put_whole(mesh: Mesh, values: np.ndarray) -> Array:
    """Puts a global batch, which every host holds whole, onto the devices."""
    sharding = batch_sharding(mesh)
    return jax.make_array_from_callback(values.shape, sharding, values.__getitem__)


def gathered(mesh: Mesh, values: Any) -> np.ndarray:
    """A sharded array as a whole numpy array on every host."""
    return np.asarray(jax.device_put(values, replicated(mesh)))


def put_masked(mesh: Mesh, batch: HostBatch) -> tuple[dict[str, Array], np.ndarray]:
    """A batch on the devices, and the mask of its examples that are not padding."""
    placed = put_batch(mesh, batch)
    return placed, gathered(mesh, placed["mask"]).astype(bool)


def compile_for_batch(mesh: Mesh, fn: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of (params, batch) whose results every host gets whole."""
    return jax.jit(fn, out_shardings=replicated(mesh))


def from_process_0(number: int) -> int:
    """Process 0's value of a number, on every process."""
    if jax.process_count() > 1:
        return int(multihost_utils.broadcast_one_to_all(np.int32(number)))
    return number
