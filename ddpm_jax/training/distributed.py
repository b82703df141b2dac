"""Several processes as one run, by `jax.distributed`."""

import os

import jax


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Joins the run's processes before JAX is first used; one process alone needs nothing.

    On a TPU pod and under SLURM the environment has all that is needed; elsewhere every
    process is given the three arguments.

    Raises:
      ValueError: some of the three are given and others not.
    """
    given = (coordinator_address, num_processes, process_id)
    if any(value is not None for value in given):
        if any(value is None for value in given):
            raise ValueError(
                f"--coordinator_address={coordinator_address},"
                f" --num_processes={num_processes} and --process_id={process_id}"
                " go together: write all three, or none."
            )
        jax.distributed.initialize(coordinator_address, num_processes, process_id)
    elif _in_a_cluster():
        jax.distributed.initialize()


def _in_a_cluster() -> bool:
    slurm_tasks = int(os.environ.get("SLURM_NTASKS", "1"))
    in_slurm_step = "SLURM_STEP_ID" in os.environ and slurm_tasks > 1
    tpu_hosts = os.environ.get("TPU_WORKER_HOSTNAMES", "")
    return in_slurm_step or "," in tpu_hosts
