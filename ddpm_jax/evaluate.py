"""Evaluate a model: every image of the split once, by each estimator that the config lists.

Image i of the split is measured with noise from (seed, i): the same for every checkpoint,
batch size and number of devices. What was measured is on disk after each batch, so that an
evaluation that was killed goes on where it was.
"""

import contextlib
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from etils import epath
from jax.sharding import Mesh

from ddpm_jax import (
    accuracy,
    build,
    convention,
    estimators,
    passes,
    pictures,
    plots,
    quality,
    trained,
    workdir,
)
from ddpm_jax.binding import ClassifierModel, Given, Model
from ddpm_jax.config import Config, ConfigError
from ddpm_jax.data import pipeline
from ddpm_jax.data.sources import Source
from ddpm_jax.diffusion import allocation, elbo
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.results import report, unfinished, words
from ddpm_jax.results import rows as rows_lib
from ddpm_jax.results.found import Found
from ddpm_jax.results.report import Report
from ddpm_jax.results.rows import Rows
from ddpm_jax.results.saved import FOLDER
from ddpm_jax.trained import Trained
from ddpm_jax.training import files, parallel, progress, writers
from ddpm_jax.training.checkpoints import digest
from ddpm_jax.training.finite import NonFiniteError
from ddpm_jax.training.randomness import Stream, example_keys, stream_key
from ddpm_jax.training.state import Params


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """Measures one split by one estimator; each method compiles once.

    Attributes:
      config: of the run.
      name: of the estimator.
      mesh: the devices.
      source: the split, cut to config.eval.num_examples.
      estimate: (parameters, batch, edges of strata) -> rows, for the whole batch.
      pilot: (parameters, batch) -> times and draws of the pilot pass, likewise; None:
        there is no such pass.
      pilot_evaluations: of the network, in that pass.
    """

    config: Config
    name: str
    mesh: Mesh
    source: Source
    estimate: Any
    pilot: Any
    pilot_evaluations: int

    def rows(self, params: Params, store: unfinished.Store | None = None) -> Rows:
        """What was measured of every image, in order; `store` has what was before."""
        batches = self._batches(self.source)
        found = store.read(len(batches)) if store else []
        done = parallel.agreed(len(found)) if store else 0
        edges = self._edges(params) if done < len(batches) else None
        bar = progress.Bar(f"evaluating ({self.name})", len(batches), initial=done)
        with bar, contextlib.closing(pipeline.iterate(batches, done)) as rest:
            for number, local in enumerate(rest, done):
                batch, kept = parallel.put_masked(self.mesh, local)
                result = self.estimate(params, batch, edges)
                estimate, ends = jax.device_get(result)
                index = parallel.whole(self.mesh, batch["index"])
                rows = rows_lib.of_batch(estimate, ends, index, kept)
                if store:
                    store.add(number, rows)
                found.append(rows)
                bar.update()
        return rows_lib.joined(found)

    @property
    def headline(self) -> str:
        """The figure's name among a run's metrics."""
        return report.HEADLINE

    def measured(self, path: epath.Path, params: Params, step: int) -> Found:
        """Writes eval/<step>.json and the figures of single images."""
        rows = self.rows(params)
        found = self.report(rows, step)
        file = report.write(path, step, found, {self.name: rows})
        scalars, summary = report.scalars(found), words.summary(found)
        return Found(scalars, {}, summary, str(file), report.failure(found))

    def report(self, rows: Rows, step: int) -> Report:
        """Means over these rows, of the weights of a step."""
        options = self.config.eval
        return report.make(
            rows,
            math.prod(self.source.shape),
            num_draws=(options.ode if self.name == "ode" else options).num_draws,
            num_pilot_evaluations=self.pilot_evaluations,
            convention=convention.of(self.config, self.name, self.source, step),
        )

    def _batches(self, source: Source) -> pipeline.Batches:
        return passes.batches(source, self.config.eval.batch_size)

    def _edges(self, params: Params) -> np.ndarray | None:
        """Of the strata, from images all over the split with noise of their own."""
        if self.pilot is None:
            return None
        source = pipeline.spaced(self.source, self.config.eval.pilot_examples)
        found = []
        for local in self._batches(source):
            batch, kept = parallel.put_masked(self.mesh, local)
            draws = np.asarray(jax.device_get(self.pilot(params, batch)), np.float64)
            found.append(draws[..., kept])
        t, per_time = np.concatenate(found, axis=-1)
        num_strata = elbo.num_strata(self.config.eval.num_draws)
        return allocation.edges(t, per_time, num_strata).astype(np.float32)


def make_evaluator(
    config: Config, mesh: Mesh, model: Model, source: Source, name: str | None = None
) -> Evaluator:
    """Of one estimator, the first of config.eval.estimators if not named."""
    name = name or estimators.names(config)[0]
    estimator = estimators.make(config, model, name)
    root = stream_key(config.seed, estimators.STREAMS[name])
    pilot_root = stream_key(config.seed, Stream.PILOT)
    if config.eval.num_examples:
        source = pipeline.first(source, config.eval.num_examples)

    def bound(params: Params, batch: Any) -> Diffusion:
        told = model.num_classes and config.eval.class_conditional
        return model.bind(params, given=Given(labels=batch["label"] if told else None))

    def estimate(params: Params, batch: Any, edges: Any) -> Any:
        diffusion = bound(params, batch)
        keys = example_keys(root, batch["index"])
        found = estimator(diffusion, batch["image"], keys, batch["index"], edges)
        ends = diffusion.log_snr(jnp.array([0.0, 1.0]))
        return found, ends

    def draw_pilot(params: Params, batch: Any) -> Any:
        keys = example_keys(pilot_root, batch["index"])
        diffusion = bound(params, batch)
        run = estimators.pilot(config, model)
        found = run(diffusion, batch["image"], keys, batch["index"], None)
        assert found.profile is not None
        return jnp.stack([found.profile.t, found.profile.per_time])

    pilot, pilot_evaluations = None, 0
    if name == "stratified" and config.eval.pilot_examples:
        pilot = parallel.compile_for_batch(mesh, draw_pilot)
        num_pilot = min(config.eval.pilot_examples, len(source))
        pilot_evaluations = num_pilot * estimators.pilot_evaluations(config, model)
    compiled = parallel.compile_for_batch(mesh, estimate)
    return Evaluator(config, name, mesh, source, compiled, pilot, pilot_evaluations)


def while_training(
    config: Config, mesh: Mesh, model: Model | ClassifierModel, source: Source
) -> Evaluator | accuracy.Accuracy:
    """What is measured between two steps: a classifier's accuracy, or a likelihood."""
    if isinstance(model, ClassifierModel):
        return accuracy.Accuracy(config, mesh, model, source)
    if not estimators.names(config):
        raise ConfigError(
            f"config.eval.estimators = {config.eval.estimators!r} judge samples, for"
            " --mode=eval: while training list a likelihood too, such as 'stratified', or"
            " write config.training.eval_every = 0."
        )
    return make_evaluator(config, mesh, model, source)


def run(config: Config, directory: epath.PathLike) -> None:
    """`--mode=eval`: from a checkpoint to what config.eval.estimators lists.

    Raises:
      NonFiniteError: an image's figure is not a number, or an estimator has none at all;
        what was found is written.
    """
    step, weights = config.eval.step, config.eval.weights
    if build.is_classifier(config):
        t = trained.load_classifier(config, directory, step=step, weights=weights)
        _accuracy(config, t)
        return
    found = trained.load(config, directory, step=step, weights=weights)
    workdir.make_folder(found.path / FOLDER)
    if estimators.names(config):
        _likelihood(config, found)
    if estimators.quality_names(config):
        _tell(found.path, found.step, quality.run(config, found))


def _accuracy(config: Config, t: Trained[ClassifierModel]) -> None:
    """Writes eval/<step>_accuracy.json and its picture."""
    workdir.make_folder(t.path / FOLDER)
    logging.info("compiling the evaluation (%s) ...", accuracy.NAME)
    evaluator = accuracy.Accuracy(config, t.mesh, t.model, t.source)
    _tell(t.path, t.step, evaluator.measured(t.path, t.params, t.step))


def _tell(path: epath.Path, step: int, found: Found) -> None:
    """To TensorBoard and the terminal."""
    if jax.process_index() == 0:
        writers.to_tensorboard(path, step, found.scalars, found.drawn)
        print(f"step {step}: {found.summary} in {found.file}")


def _likelihood(config: Config, t: Trained[Model]) -> None:
    """Writes eval/<step>.json, its rows and pictures."""
    weights = digest(t.params)
    rows, reports, stores = {}, {}, []
    for name in estimators.names(config):
        logging.info("compiling the evaluation (%s) ...", name)
        evaluator = make_evaluator(config, t.mesh, t.model, t.source, name)
        settings = (config.to_json(), evaluator.source.identity, weights)
        stores.append(unfinished.Store(t.path, t.step, name, settings))
        rows[name] = evaluator.rows(t.params, stores[-1])
        if jax.process_index() == 0:
            reports[name] = evaluator.report(rows[name], t.step)
    if jax.process_index() != 0:
        return
    gaps = report.gaps(rows, math.prod(t.source.shape))
    found = report.merged(reports, gaps)
    file = report.write(t.path, t.step, found, rows)
    drawn = _pictures(rows, found["num_dims"])
    for name, picture in drawn.items():
        png = file.with_name(f"{t.step}_{name}.png")
        files.replace_bytes(png, pictures.png(picture))
    writers.to_tensorboard(t.path, t.step, report.scalars(found), drawn)
    for store in stores:
        store.forget()
    print(f"step {t.step}: {words.summary(found)} in {file}")
    print(words.table(found))
    if bad := report.failure(found):
        raise NonFiniteError(bad)


def _pictures(rows: dict[str, Rows], num_dims: int) -> dict[str, plots.Picture]:
    """Where the bound comes from along log SNR, of each estimator that knows."""
    drawn = {}
    for name, own in rows.items():
        curve = rows_lib.loss_by_log_snr(own, num_dims)
        if curve is not None:
            drawn[f"{name}_loss"] = plots.loss_by_log_snr(*curve, "the draws")
    return drawn
