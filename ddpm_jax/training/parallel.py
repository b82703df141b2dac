"""Devices: the placement of a state on them, and the compiled step.

There are two modes of training, with the same numbers:

- "jit": a mesh with axes ("data", "fsdp"). The batch is split over both, parameters and
  optimiser state over "fsdp" wherever a dimension divides; the compiler adds the
  communication.
- "pmap": every device of every host holds the whole state, gradients meet in `pmean`.

In both, checkpoints, evaluation and sampling read the same tree of global arrays; so a run may
change its mode and its number of devices between two starts.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.core.sharding import HostBatch, put_batch, replicated
from ddpm_jax.training.state import TrainState

PMAP_AXIS = "devices"
# Below this many elements, splitting an array costs more than it saves.
MIN_ELEMENTS_TO_CUT = 1024

TrainStep = Callable[[TrainState, Any], TrainState]


def state_shardings(mesh: Mesh, shapes: Any) -> Any:
    """The shardings of a state: an array's largest dimension that divides is over "fsdp"."""
    size = mesh.shape["fsdp"]

    def sharding(a: jax.ShapeDtypeStruct) -> NamedSharding:
        dims = [d for d in range(len(a.shape)) if a.shape[d] % size == 0]
        if size == 1 or not dims or np.prod(a.shape) < MIN_ELEMENTS_TO_CUT:
            return replicated(mesh)
        largest = max(dims, key=lambda d: a.shape[d])
        spec: list[str | None] = [None] * len(a.shape)
        spec[largest] = "fsdp"
        return NamedSharding(mesh, PartitionSpec(*spec))

    return jax.tree.map(sharding, shapes)


@dataclasses.dataclass(frozen=True)
class Training:
    """The training of a mode: how a state is held on devices, and how it is advanced.

    Attributes:
      create: () -> the first state, as this mode holds it.
      put: this process's batch -> the batch, as `step` takes it.
      step: (state, batch) -> state. The state given is donated: do not use it again.
      to_global: a state as held -> the tree of global arrays, for checkpoint and report.
      from_global: its inverse.
      abstract: shapes, dtypes and shardings of the tree of global arrays.
    """

    create: Callable[[], Any]
    put: Callable[[HostBatch], Any]
    step: Callable[[Any, Any], Any]
    to_global: Callable[[Any], TrainState]
    from_global: Callable[[TrainState], Any]
    abstract: TrainState


def compiler_options(remat: bool) -> dict[str, str | bool] | None:
    """The compiler options of a step whose network is rematerialised.

    XLA's CPU compiler removes the barriers around what is computed twice before it looks for
    common subexpressions, finds the second computation to be the first, and keeps its
    result: remat undone. Compilers for accelerators need no option.
    """
    if remat and jax.default_backend() == "cpu":
        return {"xla_disable_hlo_passes": "cse_barrier_expander"}
    return None


def by_jit(
    mesh: Mesh, init: Callable[[], TrainState], step: TrainStep, remat: bool = False
) -> Training:
    """Training by one compiled program over the mesh; the state is born in its shards."""
    shapes = jax.eval_shape(init)
    shardings = state_shardings(mesh, shapes)
    return Training(
        create=jax.jit(init, out_shardings=shardings),
        put=lambda batch: put_batch(mesh, batch),
        step=jax.jit(
            step,
            donate_argnums=0,
            out_shardings=shardings,
            compiler_options=compiler_options(remat),
        ),
        to_global=lambda state: state,
        from_global=lambda state: state,
        abstract=_abstract(shapes, shardings),
    )


def by_pmap(
    mesh: Mesh, init: Callable[[], TrainState], step: TrainStep, remat: bool = False
) -> Training:
    """Training by a copy of the state on each device. `step` averages over PMAP_AXIS.

    `pmap` takes no compiler options: on a CPU, remat saves nothing here.
    """
    del remat
    num_local = jax.local_device_count()
    shapes = jax.eval_shape(init)
    whole = replicated(mesh)

    def put(batch: HostBatch) -> dict[str, np.ndarray]:
        return {
            name: values.reshape(num_local, -1, *values.shape[1:])
            for name, values in batch.items()
        }

    def to_global(state: Any) -> TrainState:
        def join(a: Array) -> Array:
            copies = [shard.data[0] for shard in a.addressable_shards]
            return jax.make_array_from_single_device_arrays(a.shape[1:], whole, copies)

        return jax.tree.map(join, state)

    def from_global(state: TrainState) -> Any:
        def copies(a: Array) -> np.ndarray:
            return np.broadcast_to(np.asarray(a), (num_local, *a.shape))

        # Under the step's own axis name: under another the step would compile twice.
        spread = jax.pmap(lambda s: s, axis_name=PMAP_AXIS)
        return spread(jax.tree.map(copies, state))

    return Training(
        create=lambda: from_global(jax.jit(init, out_shardings=whole)()),
        put=put,
        step=jax.pmap(step, axis_name=PMAP_AXIS, donate_argnums=0),
        to_global=to_global,
        from_global=from_global,
        abstract=_abstract(shapes, jax.tree.map(lambda _: whole, shapes)),
    )


def _abstract(shapes: TrainState, shardings: Any) -> TrainState:
    return jax.tree.map(
        lambda a, sharding: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding),
        shapes,
        shardings,
    )


# Each makes a `Training` of its options, a mesh, a function that makes the first state, the
# step, and whether blocks are rematerialised. "named_axis": the step averages over PMAP_AXIS
# itself.
MODES: Table = {
    "jit": Choice(Options, lambda _, *inputs: by_jit(*inputs)),
    "pmap": Choice(
        Options, lambda _, *inputs: by_pmap(*inputs), frozenset({"named_axis"})
    ),
}
