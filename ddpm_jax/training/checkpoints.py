"""Checkpoints by Orbax, written atomically while training goes on.

Beside the state lies a digest, one number for each array. A checkpoint whose arrays do not
give its digest, or that cannot be read, is reported and moved aside; the one before it is used.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from jaxtyping import Array, UInt32

from ddpm_jax.core import files, outside
from ddpm_jax.core.errors import OutsideError

STATE, DIGEST = "state", "digest"
# Bytes that a checkpoint takes beside its arrays, at most.
MARGIN = 2**20
FOLDER, SET_ASIDE = "checkpoints", "checkpoints_damaged"


class OtherModelError(ValueError):
    """The error of a checkpoint with other arrays than this model has."""


class Checkpoints:
    """The checkpoints of one workdir."""

    def __init__(
        self,
        workdir: epath.PathLike,
        *,
        keep_last: int = 1,
        keep_every: int = 0,
        read_only: bool = False,
    ) -> None:
        """Opens a workdir's checkpoints.

        Args:
          workdir: the run's folder.
          keep_last: number of newest checkpoints to keep.
          keep_every: checkpoints of multiples of this step are kept too; 0: none.
          read_only: whether to change nothing, beside a run that may be training.
        """
        # Orbax takes no relative paths.
        self._workdir = files.absolute(workdir)
        self._read_only = read_only
        self._options = ocp.CheckpointManagerOptions(
            max_to_keep=None if read_only else keep_last,
            keep_period=keep_every or None,
            enable_async_checkpointing=not read_only,
            cleanup_tmp_directories=not read_only,
            create=not read_only,
            read_only=read_only,
        )
        self._saving: int | None = None
        self._manager = self._open()

    def _open(self) -> ocp.CheckpointManager:
        return ocp.CheckpointManager(
            self._workdir / FOLDER,
            options=self._options,
            item_handlers={
                STATE: ocp.StandardCheckpointHandler(),
                DIGEST: ocp.JsonCheckpointHandler(),
            },
        )

    def steps(self) -> list[int]:
        """The steps that have a finished checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: Any) -> None:
        """Starts to write a checkpoint; returns once the state may be donated.

        Raises:
          OutsideError: there is no room for it, or the one before could not be written.
        """
        if step in self._manager.all_steps():
            return
        self.wait()
        self.check_room(step, state)
        self._saving = step
        with self._unfinished_removed():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    **{
                        STATE: ocp.args.StandardSave(state),
                        DIGEST: ocp.args.JsonSave(digest(state)),
                    }
                ),
                force=True,
            )

    def check_saving(self) -> None:
        """Raises the error of a save that has failed since it was started, at once."""
        is_alone = jax.process_count() == 1  # Else all would have to wait at one step.
        if is_alone and self._saving and not self._manager.is_saving_in_progress():
            self.wait()

    def wait(self) -> None:
        """Waits until all checkpoints are written.

        Raises:
          OutsideError: one cannot be; those before it stay.
        """
        with self._unfinished_removed():
            self._manager.wait_until_finished()
        self._saving = None

    def close(self) -> None:
        try:
            self.wait()
        finally:
            self._manager.close()

    def check_room(self, step: int, state: Any) -> None:
        """Checks that the disk has room for a checkpoint.

        Args:
          step: the step of which it would be.
          state: arrays, or their shapes and dtypes.

        Raises:
          OutsideError: it has not.
        """
        free = files.free_bytes(self._workdir / FOLDER)
        needed = MARGIN + sum(
            leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)
        )
        if jax.process_index() == 0 and free is not None and free < needed:
            raise OutsideError(
                f"{self._workdir / FOLDER} has room for {files.in_words(free)}, and the"
                f" checkpoint of step {step} takes {files.in_words(needed)}: make room,"
                f" {outside.AGAIN}. {self._newest_in_words()}"
            )

    @contextlib.contextmanager
    def _unfinished_removed(self) -> Iterator[None]:
        """Has a save that fails leave nothing behind, and say so in one line."""
        try:
            yield
        except Exception as error:
            step, self._saving = self._saving, None
            if jax.process_index() == 0:
                for part in (self._workdir / FOLDER).glob(f"{step}.*tmp*"):
                    with contextlib.suppress(OSError):
                        part.rmtree()
            reason = outside.line(error, "raise config.training.num_microbatches")
            if reason is None:
                raise
            raise OutsideError(
                f"the checkpoint of step {step} cannot be written ({reason.rstrip('.')})."
                f" {self._newest_in_words()}"
            ) from error

    def _newest_in_words(self) -> str:
        # Orbax's own list leaves out at once what a save that succeeds will remove.
        steps = self._manager.all_steps(read=True)
        if not steps:
            return "No checkpoint is written yet."
        return f"The run will go on from the checkpoint of step {max(steps)}."

    def restore_newest(self, abstract: Any) -> tuple[int, Any] | None:
        """Restores the newest undamaged checkpoint as (step, state); None if there is none.

        Args:
          abstract: shapes, dtypes and shardings to restore into, whatever they were.

        Raises:
          OtherModelError: it holds other arrays than `abstract`; the first difference is
            named.
          OutsideError: there are checkpoints, and all are damaged; or the newest cannot be
            read for a cause that may pass.
        """
        steps = self.steps()
        damaged: list[int] = []
        for step in reversed(steps):
            try:
                self._check_same_arrays(step, abstract)
                state = self._restore(step, abstract)
            except OtherModelError:
                raise
            except Exception as error:  # Orbax and TensorStore raise many types.
                if outside.is_passing(error):
                    raise
                self._warn(step, error)
                damaged.append(step)
            else:
                # Only now: if none can be read, the fault may not be in the files.
                self._set_aside(damaged)
                return step, state
        if steps:
            raise OutsideError(
                f"no checkpoint of {self._workdir} can be read (steps {steps}): put back"
                " what they need, or start again in another --workdir."
            )
        return None

    def restore(self, step: int, abstract: Any) -> Any:
        """Restores the checkpoint of one step.

        Raises:
          ValueError: there is none, or it holds other arrays (OtherModelError).
          OutsideError: it is damaged.
        """
        if step not in self.steps():
            raise ValueError(
                f"{self._workdir / FOLDER} has no checkpoint of step {step}:"
                f" it has {self.steps()}."
            )
        try:
            self._check_same_arrays(step, abstract)
            return self._restore(step, abstract)
        except (OtherModelError, OutsideError):
            raise
        except Exception as error:  # Orbax and TensorStore raise many types.
            if outside.is_passing(error):
                raise
            raise OutsideError(
                f"the checkpoint of step {step} in {self._workdir} is damaged"
                f" ({_first_line(error)}): choose another step, of {self.steps()}."
            ) from error

    def _restore(self, step: int, abstract: Any) -> Any:
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                **{
                    STATE: ocp.args.StandardRestore(abstract),
                    DIGEST: ocp.args.JsonRestore(),
                }
            ),
        )
        now, then = digest(restored[STATE]), restored[DIGEST]
        changed = sorted(name for name in now if then.get(name) != now[name])
        if changed:
            raise OutsideError(
                f"the checkpoint of step {step} in {self._workdir} is damaged:"
                f" {changed[0]} is not what was written ({len(changed)} of {len(now)}"
                f" arrays): choose another step, of {self.steps()}."
            )
        return restored[STATE]

    def _warn(self, step: int, error: Exception) -> None:
        logging.warning(
            "the checkpoint of step %d is damaged; using the one before it. Reason: %s",
            step,
            _first_line(error),
        )

    def _set_aside(self, steps: list[int]) -> None:
        if self._read_only or not steps:
            return
        aside = self._workdir / SET_ASIDE
        logging.warning("the checkpoints of steps %s were moved to %s", steps, aside)
        self._manager.close()
        if jax.process_index() == 0:
            aside.mkdir(parents=True, exist_ok=True)
            taken = {path.name for path in aside.iterdir()}
            for step in steps:
                name, n = f"{step}", 0
                while name in taken:
                    n += 1
                    name = f"{step}.{n}"
                (self._workdir / FOLDER / str(step)).rename(aside / name)
        _barrier("set aside")
        self._manager = self._open()

    def _check_same_arrays(self, step: int, abstract: Any) -> None:
        """Raises OtherModelError unless the checkpoint's arrays are those of this model."""
        metadata = self._manager.item_metadata(step)[STATE]
        if metadata is None:
            raise RuntimeError("its description cannot be read")
        saved = _shapes(getattr(metadata, "tree", metadata))
        wanted = _shapes(abstract)
        for name in sorted(saved.keys() | wanted.keys()):
            if saved.get(name) != wanted.get(name):
                raise OtherModelError(
                    f"the checkpoint of step {step} in {self._workdir} is of another model:"
                    f" {name} has shape {saved.get(name, 'none')} there and"
                    f" {wanted.get(name, 'none')} by this config. Use the config it was"
                    " made with, or another --workdir."
                )


def digest(tree: Any) -> dict[str, int]:
    """A 32-bit number for each array, computed from its bits and their positions.

    The sums are exact, so that it is the same however the array is spread over devices.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    sums = jax.device_get(_bit_sums([leaf for _, leaf in leaves]))
    names = [
        jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves
    ]
    return {name: int(value) for name, value in zip(names, sums, strict=True)}


def fingerprint(tree: Any) -> str:
    """A hash of a tree of arrays: 16 hexadecimal digits, from its `digest`."""
    text = json.dumps(digest(tree), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@jax.jit
def _bit_sums(leaves: list[Array]) -> list[UInt32[Array, ""]]:
    return [_bit_sum(leaf) for leaf in leaves]


def _bit_sum(a: Array) -> UInt32[Array, ""]:
    unsigned = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}[a.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(a, unsigned).astype(jnp.uint32)
    place = jnp.ones((), jnp.uint32)
    for axis in range(a.ndim):
        along = jax.lax.broadcasted_iota(jnp.uint32, a.shape, axis)
        # Odd factors are invertible modulo 2^32: no single changed bit can cancel.
        place = place * jnp.uint32(2654435761) + 2 * along
    return jnp.sum(bits * place, dtype=jnp.uint32)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error) else repr(error)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(np.shape(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _barrier(name: str) -> None:
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)
