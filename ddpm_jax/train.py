"""Train a model: from a config and a workdir to checkpoints, metrics, bounds and samples.

The same command continues a run that was stopped anywhere, and ends with the same bits.
"""

import contextlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax import check
from ddpm_jax.core import outside, paths, progress, terminal
from ddpm_jax.core.errors import ConfigError, OutsideError, as_config_errors
from ddpm_jax.data import pipeline, wholeness
from ddpm_jax.evaluation import in_training, schedule_plots
from ddpm_jax.evaluation.results.evaluation import Measurement
from ddpm_jax.models import build, learning_rate
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.runs import data_record, starting, workdir
from ddpm_jax.runs.workdir import config_of
from ddpm_jax.sampling import sample_batches, snapshots
from ddpm_jax.training import nonfinite, parallel
from ddpm_jax.training.checkpoints import Checkpoints
from ddpm_jax.training.clock import Clock, Profile
from ddpm_jax.training.interrupts import StopRequest
from ddpm_jax.training.state import Window
from ddpm_jax.training.writers import Writers, progress_line

# The number of steps that may be in flight before the loop waits for the oldest.
STEPS_IN_FLIGHT = 2


def run(config: Config, directory: epath.PathLike, profile_steps: int = 0) -> int:
    """Trains a model to config.training.num_steps, by `--mode=train`.

    Args:
      config: a config that `check.for_training` accepts.
      directory: the workdir; a run in it is continued.
      profile_steps: number of steps to trace for TensorBoard's profiler.

    Returns:
      0, or 128 + the number of the signal that stopped it after a checkpoint.

    Raises:
      nonfinite.NonFiniteError: after config.training.max_skipped bad steps in a row.
    """
    with workdir.claimed(directory) as path:
        config = workdir.as_begun(path, config)
        workdir.check_if_begun(path, config)
        return _train(config, path, profile_steps)


def train(config: Config | None = None, workdir: epath.PathLike = "") -> None:
    """Checks a config and trains by it, with a log: what a call of this module does.

    Args:
      config: of the run; None: that of the run in the workdir.
      workdir: its folder; a run found there goes on.

    Raises:
      ConfigError: the config cannot work, or is not that of the run in this folder.
      KeyboardInterrupt: a signal stopped it, after a checkpoint; the same call goes on.
    """
    terminal.begin_log()
    with as_config_errors():
        if config is None:
            config = config_of(paths.expanded(workdir, f"workdir={workdir}"))
        check.for_training(config, jax.device_count())
    if run(config, workdir):
        raise KeyboardInterrupt("stopped after a checkpoint; the same call goes on")


def _train(config: Config, path: epath.Path, profile_steps: int) -> int:
    every = config.training
    mesh = build.mesh(config)
    source = build.source(config, config.data.train_split)
    model = build.backbone(config, source)
    build.check_units(config, model, source)
    training = build.training(config, mesh, model)
    eval_source = build.source(config, config.data.eval_split)
    sources = {config.data.train_split: source, config.data.eval_split: eval_source}
    data_record.check(path, config, sources)
    evaluator, draws = None, None
    if every.eval_every:
        evaluator = in_training.while_training(config, mesh, model, eval_source)
    if isinstance(model, Denoiser) and every.sample_every:
        draws = snapshots.make(config, mesh, model, source)

    # 1. The newest whole checkpoint, 2. else the first state, 3. or that of another run.
    checkpoints = Checkpoints(
        path, keep_last=every.keep_last, keep_every=every.keep_every
    )
    with as_config_errors():
        restored = checkpoints.restore_newest(training.abstract)
    start, state = (0, None) if restored is None else restored
    if state is not None:
        state = training.from_global(state)
    else:
        state = training.create()
        if every.start_from:
            begun = starting.start_from(config, training.to_global(state))
            start = int(begun.step)
            # The other run may go on, so what this one starts with is saved.
            checkpoints.save(start, begun)
            state = training.from_global(begun)
    for note in learning_rate.notes(config):
        logging.warning("%s", note)
    if restored is not None:
        logging.info("continuing from the checkpoint of step %d", start)
        num_updates = start - int(_host(training, state.skipped))
        workdir.log_change_of_rate(path, config, num_updates)
        if start > every.num_steps:
            logging.warning(
                "config.training.num_steps = %d: the run is at step %d already, so nothing"
                " is trained",
                *(every.num_steps, start),
            )
    if start < every.num_steps and every.checkpoint_every:
        checkpoints.check_room(every.num_steps, training.abstract)
    # All parts of the config could be built: from here on, it is this workdir's config.
    workdir.begin(path, config, start)
    data_record.remember(path, config, sources)

    writers = Writers(path, resume_step=start)
    if restored is None or start == 0:
        writers.parameters(training.abstract.params)
    report = _reporter(config, path, mesh, training, model, writers, evaluator, draws)
    clock = Clock(config.data.batch_size, start, every.num_steps)
    batches = pipeline.iterate(
        pipeline.train_batches(
            source,
            seed=config.seed,
            batch_size=config.data.batch_size,
            flip=config.data.flip,
            rotate=config.data.rotate,
            flag=config.data.augmentation_flag,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        ),
        start_step=start,
        num_threads=config.data.num_threads,
        num_prefetch=config.data.num_prefetch,
        num_workers=config.data.num_workers,
    )
    in_flight: list[tuple[int, jax.Array]] = []
    status = None

    def is_due(step: int, cadence: int) -> bool:
        return cadence > 0 and (step == every.num_steps or step % cadence == 0)

    def checkpoint(step: int, state: Any) -> None:
        while in_flight:
            nonfinite.check(*in_flight.pop(0), every.max_skipped)
        with clock.paused():
            writers.flush()
            checkpoints.save(step, training.to_global(state))

    @contextlib.contextmanager
    def kept(step: int, state: Any) -> Iterator[None]:
        """Saves a whole state before an error of what is outside of it ends the run."""
        try:
            yield
        except (ConfigError, OutsideError, OSError):
            try:
                if step > start:
                    checkpoint(step, state)
                    checkpoints.wait()
            except Exception as second:
                logging.warning("no checkpoint of step %d: %s", step, second)
            # Which of its files cannot be read, so that they may be mended.
            with contextlib.suppress(ConfigError, OSError):
                data_record.remember(path, config, sources)
            raise

    watch = wholeness.Watch(source, *([] if evaluator is None else [eval_source]))
    with (
        _closing(writers),
        _closing(checkpoints),
        contextlib.closing(batches),
        contextlib.closing(watch),
        StopRequest(jax.process_count()) as stop,
        progress.Bar("training", every.num_steps, initial=start) as bar,
        Profile(path, profile_steps) as profile,
    ):
        # Output that was due when a signal came is written first.
        if start > 0:
            with clock.paused():
                report(start, state, is_due, only_missing=True)
        step = start
        try:
            for step in range(start + 1, every.num_steps + 1):
                # Take a batch, step, log, evaluate, sample, and last of all checkpoint.
                with kept(step - 1, state):
                    watch.check()
                    local = next(batches)
                batch = training.put(local)
                with jax.profiler.StepTraceAnnotation("train", step_num=step):
                    state = training.step(state, batch)
                if step == start + 1:
                    clock.compiled(state)
                profile.after_step(step - start)
                bar.update()

                in_flight.append((step, state.skipped_in_a_row + 0))
                if len(in_flight) > STEPS_IN_FLIGHT:
                    nonfinite.check(*in_flight.pop(0), every.max_skipped)
                status = stop.exit_status(step)
                is_last = step == every.num_steps or status is not None

                if is_due(step, every.log_every):
                    counts = _host(training, (state.window, state.skipped))
                    means, speed = row(*counts), clock.row(step)
                    writers.metrics(step, means)
                    writers.speed(step, speed)
                    logging.info("step %d: %s", step, progress_line({**means, **speed}))
                if status is None:
                    with clock.paused(), kept(step, state):
                        report(step, state, is_due)
                checkpoints.check_saving()
                if is_last or is_due(step, every.checkpoint_every):
                    checkpoint(step, state)
                if status is not None:
                    checkpoints.wait()
                    logging.info("stopped after step %d, its checkpoint saved", step)
                    break
        except Exception as error:
            error.add_note(f"This happened at step {step}.")
            raise
    return status or 0


def _reporter(
    config: Config,
    path: epath.Path,
    mesh: Mesh,
    training: parallel.Training,
    model: Denoiser | ClassifierModel,
    writers: Writers,
    evaluator: Measurement | None,
    draws: snapshots.Snapshots | None,
) -> Callable[..., None]:
    """The function that evaluates and samples between two steps, if that is due."""

    def report(
        step: int,
        state: Any,
        is_due: Callable[[int, int], bool],
        only_missing: bool = False,
    ) -> None:
        evaluates = is_due(step, config.training.eval_every)
        samples = is_due(step, config.training.sample_every)
        if only_missing:
            if evaluator is not None:
                evaluates &= not writers.has_row(step, evaluator.headline)
            samples &= not snapshots.picture_path(path, step).exists()
        if evaluates and evaluator is not None:
            weights = build.weights(
                config, training.to_global(state), config.eval.weights
            )
            with outside.memory_saved_by("lower config.eval.batch_size"):
                evaluation = evaluator.measured(path, weights, step)
            if evaluation.failure:
                logging.error("step %d: %s", step, evaluation.failure)
            pictures = {}
            if isinstance(model, Denoiser):
                history = _host(training, state.time_history)
                pictures = schedule_plots.draw(config, mesh, model, weights, history)
                schedule_plots.write(path, step, pictures)
            for name, picture in {**evaluation.pictures, **pictures}.items():
                writers.image(step, name, picture)
            writers.metrics(step, evaluation.scalars)
            logging.info("step %d: %s", step, evaluation.summary)
        if samples and draws is not None:
            weights = build.weights(
                config, training.to_global(state), config.sample.weights
            )
            try:
                with outside.memory_saved_by("lower config.sample.batch_size"):
                    images = snapshots.first(config, draws.batches, weights)
            except sample_batches.NotConvergedError as error:
                # The ODE of a network that still learns may be too stiff; training goes on.
                logging.error("step %d: no samples: %s", step, error)
                return
            picture = snapshots.write(path, step, images, draws.drawing, draws.period)
            writers.image(step, "samples", picture)

    return report


@contextlib.contextmanager
def _closing(resource: Writers | Checkpoints) -> Iterator[None]:
    """Closes at the end; after an error what closing raises is logged, not raised."""
    try:
        yield
    except BaseException:
        try:
            resource.close()
        except Exception as error:
            logging.debug("while closing after an error: %s", error)
        raise
    resource.close()


def _host(training: parallel.Training, part: Any) -> Any:
    """A small, replicated part of a state, on the host."""
    return jax.tree.map(np.asarray, training.to_global(part))


def row(window: Window, skipped: Any) -> dict[str, float | None]:
    """The row of metrics of a window: means over its steps, None if there are none."""

    def mean(total: Any, count: Any) -> float | None:
        return float(total) / float(count) if count > 0 else None

    scalars = {
        name: mean(getattr(window, name), window.num_steps)
        for name in ("loss", "grad_norm", "update_norm", "param_norm", "learning_rate")
    }
    quarters = {
        f"loss_quarter_{i + 1}": mean(total, count)
        for i, (total, count) in enumerate(
            zip(window.quarter_loss, window.quarter_count, strict=True)
        )
    }
    return scalars | quarters | {"skipped_steps": int(skipped)}


class _Callable(types.ModuleType):
    """A module that can be called, so that `ddpm_jax.train` is this file and a function."""

    def __call__(
        self, config: Config | None = None, workdir: epath.PathLike = ""
    ) -> None:
        train(config, workdir)


sys.modules[__name__].__class__ = _Callable
