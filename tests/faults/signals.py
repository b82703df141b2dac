"""SIGINT and SIGTERM at every phase of a command."""

import signal

from tests.faults import harms
from tests.faults.fault import Fault

# (phase, the function at whose call the signal comes, the calls before it)
OF_ALL = (
    ("flags are read", "ddpm_jax.config.files:parse", 0),
    ("the config file runs", "ddpm_jax.core.python_files:load", 0),
    ("the config is checked", "ddpm_jax.check:check_config", 0),
    ("devices are looked for", "jax:device_count", 0),
)
DATA = ("data is opened", "ddpm_jax.models.build:source", 0)
# Sampling opens none.
RECORD = ("the record of data is read", "ddpm_jax.data.record_files:read", 0)
OF_TRAINING = (
    ("the model is built", "ddpm_jax.models.build:backbone", 0),
    ("the workdir is claimed", "ddpm_jax.runs.workdir:check_if_begun", 0),
    ("checkpoints are opened", "ddpm_jax.train:Checkpoints", 0),
    ("a checkpoint is read", "ddpm_jax.training.checkpoints:Checkpoints._restore", 0),
    ("config.json is written", "ddpm_jax.runs.workdir:remember_config", 0),
    ("writers are opened", "ddpm_jax.train:Writers", 0),
    ("the first batch is read", "ddpm_jax.data.pipeline:_read", 0),
    ("a later batch is read", "ddpm_jax.data.pipeline:_read", 40),
    ("the step compiles", "ddpm_jax.training.clock:Profile.after_step", 0),
    ("a row is written", "ddpm_jax.core.files:append_line", 0),
    ("an evaluation runs", "ddpm_jax.evaluation.results.rows:of_batch", 1),
    ("a report is written", "ddpm_jax.evaluation.results.report:write", 0),
    ("samples are drawn", "ddpm_jax.sampling.snapshots:first", 0),
    ("samples are written", "ddpm_jax.sampling.snapshots:write", 0),
    ("a checkpoint begins", "ddpm_jax.training.checkpoints:Checkpoints.save", 0),
    ("a checkpoint is awaited", "ddpm_jax.training.checkpoints:Checkpoints.wait", 0),
    ("all is closed", "ddpm_jax.training.checkpoints:Checkpoints.close", 0),
    ("writers are closed", "ddpm_jax.training.writers:Writers.close", 0),
)
OF_EVALUATION = (
    ("the checkpoint is read", "ddpm_jax.training.checkpoints:Checkpoints._restore", 0),
    ("the evaluator is made", "ddpm_jax.evaluation.likelihood:make_evaluator", 0),
    ("a batch is done", "ddpm_jax.evaluation.results.unfinished:Store.add", 0),
    ("the last batch is done", "ddpm_jax.evaluation.results.unfinished:Store.add", 1),
    ("the report is written", "ddpm_jax.evaluation.results.report:write", 0),
    ("pictures are written", "ddpm_jax.core.files:replace_bytes", 3),
    ("TensorBoard is told", "ddpm_jax.training.writers:to_tensorboard", 0),
    ("rows are removed", "ddpm_jax.evaluation.results.unfinished:Store.forget", 0),
)
OF_SAMPLING = (
    ("the checkpoint is read", "ddpm_jax.training.checkpoints:Checkpoints._restore", 0),
    ("the folder is opened", "ddpm_jax.sampling.shards:Shards.begin", 0),
    ("the sampler compiles", "ddpm_jax.sample:Batches", 0),
    ("a file is written", "ddpm_jax.core.files:replace_bytes", 1),
    ("the picture is written", "ddpm_jax.core.files:write", 0),
)
OF_REFERENCE = (
    ("the extractor is made", "ddpm_jax.evaluation.features:make", 0),
    ("features are extracted", "ddpm_jax.data.pipeline:_read", 700),
    ("the file is written", "ddpm_jax.core.files:write", 0),
)
OF_COMPARING = (
    ("results are read", "ddpm_jax.evaluation.results.saved:read", 0),
    ("the picture is drawn", "ddpm_jax.evaluation.results.plot:png", 0),
)
PHASES = {
    ("train", "begun"): (*OF_ALL, DATA, *OF_TRAINING),
    ("eval", "done"): (*OF_ALL, DATA, *OF_EVALUATION),
    ("sample", "done"): (*OF_ALL, RECORD, *OF_SAMPLING),
    ("reference", "done"): (*OF_ALL, DATA, *OF_REFERENCE),
    ("compare", "evaluated"): OF_COMPARING,
}
NUMBERS = (signal.SIGINT, signal.SIGTERM)


def _all() -> tuple[Fault, ...]:
    """The two signals in turn, phase by phase; both while a run trains."""
    faults = []
    for (command, start), phases in PHASES.items():
        for i, (phase, target, after) in enumerate(phases):
            both = (command == "train" and "step" in phase) or "checkpoint" in phase
            for number in NUMBERS if both else (NUMBERS[i % 2],):
                status = 128 + number
                fault = Fault(
                    f"{number.name} while {phase}",
                    command,
                    start,
                    "stopped: the same command goes on|stopped after step|^",
                    inside=harms.signalled(target, number, after),
                    # What comes after the last step ends a run that is done.
                    statuses=(status, 0) if "close" in phase else (status,),
                )
                faults.append(fault)
    return tuple(faults)


FAULTS = _all()
