"""Devices and machines that are out of memory, injected at each place that takes much."""

from tests.faults import harms
from tests.faults.fault import Fault

# (command, start, phase, function, calls before it, what is named)
DEVICE = (
    (
        "train",
        "begun",
        "the state is restored",
        "ddpm_jax.training.checkpoints:digest",
        0,
        "num_microbatches",
    ),
    (
        "train",
        "begun",
        "a step is awaited",
        "ddpm_jax.training.nonfinite:check",
        0,
        "num_microbatches",
    ),
    (
        "train",
        "begun",
        "the compiled step runs",
        "ddpm_jax.training.clock:Clock.compiled",
        0,
        "num_microbatches",
    ),
    (
        "train",
        "begun",
        "an evaluation runs",
        "ddpm_jax.evaluation.likelihood:sharding.put_masked",
        0,
        "eval.batch_size",
    ),
    (
        "train",
        "begun",
        "samples are drawn",
        "ddpm_jax.sampling.snapshots:first",
        0,
        "sample.batch_size",
    ),
    (
        "train",
        "begun",
        "a checkpoint is taken",
        "ddpm_jax.training.checkpoints:digest",
        1,
        "num_microbatches",
    ),
    (
        "eval",
        "done",
        "the state is restored",
        "ddpm_jax.training.checkpoints:digest",
        0,
        "eval.batch_size",
    ),
    (
        "eval",
        "done",
        "a batch is measured",
        "ddpm_jax.evaluation.likelihood:sharding.put_masked",
        1,
        "eval.batch_size",
    ),
    (
        "sample",
        "done",
        "the state is restored",
        "ddpm_jax.training.checkpoints:digest",
        0,
        "sample.batch_size",
    ),
    (
        "sample",
        "done",
        "a batch is drawn",
        "ddpm_jax.sampling.sample_batches:Batches.draw",
        0,
        "sample.batch_size",
    ),
    (
        "reference",
        "done",
        "features are extracted",
        "ddpm_jax.data.passes:sharding.put_masked",
        1,
        "eval.batch_size",
    ),
)
MACHINE = (
    ("train", "begun", "data is opened", "ddpm_jax.models.build:source"),
    ("train", "begun", "an example is read", "ddpm_jax.data.pipeline:_read"),
    ("train", "begun", "a row is written", "ddpm_jax.core.files:append_line"),
    ("train", "begun", "the state is restored", "ddpm_jax.training.checkpoints:digest"),
    ("eval", "done", "rows are joined", "ddpm_jax.evaluation.results.rows:joined"),
    ("sample", "done", "samples are joined", "ddpm_jax.sampling.shards:Shards.add"),
    (
        "compare",
        "evaluated",
        "results are read",
        "ddpm_jax.evaluation.results.saved:read",
    ),
)


def _all() -> tuple[Fault, ...]:
    faults = [
        Fault(
            f"the device is out of memory when {phase}",
            command,
            start,
            rf"out of memory.*{named}",
            inside=harms.raises(target, harms.out_of_memory, after),
        )
        for command, start, phase, target, after, named in DEVICE
    ]
    faults += [
        Fault(
            f"the machine is out of memory when {phase}",
            command,
            start,
            "this machine is out of memory.*num_prefetch",
            inside=harms.raises(target, MemoryError),
        )
        for command, start, phase, target in MACHINE
    ]
    faults += [
        Fault(
            "no thread can be started",
            command,
            start,
            "no thread can be started: raise the limit",
            inside=harms.raises("ddpm_jax.models.build:source", _no_thread),
        )
        for command, start in (("train", "begun"), ("eval", "done"))
    ]
    return tuple(faults)


def _no_thread() -> BaseException:
    return RuntimeError("can't start new thread")


FAULTS = _all()
