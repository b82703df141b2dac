"""Evaluate a model on every image of a split, by each estimator that the config lists.

Image i of the split is measured with noise from (seed, i): the same for every checkpoint,
batch size and number of devices. Results are on disk after each batch, so that an evaluation
that was killed goes on where it was.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
from absl import logging
from etils import epath
from ml_collections import ConfigDict as Config

from ddpm_jax.config import changes
from ddpm_jax.core import files, folders, paths
from ddpm_jax.core.errors import flat
from ddpm_jax.evaluation import (
    estimators,
    features,
    likelihood,
    reference,
    sample_quality,
)
from ddpm_jax.evaluation.results import place, report, unfinished, wording
from ddpm_jax.evaluation.results import rows as rows_lib
from ddpm_jax.evaluation.results.evaluation import Evaluation
from ddpm_jax.evaluation.results.rows import Rows
from ddpm_jax.evaluation.results.saved import FOLDER
from ddpm_jax.models import build
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Bound, Restored
from ddpm_jax.models.table import MODELS
from ddpm_jax.pictures import encoding, plots
from ddpm_jax.runs import data_record, restore, workdir
from ddpm_jax.training import writers
from ddpm_jax.training.checkpoints import digest
from ddpm_jax.training.nonfinite import NonFiniteError


def run(config: Config, directory: epath.PathLike) -> None:
    """Evaluates a checkpoint by config.eval.estimators, by `--mode=eval`.

    Raises:
      NonFiniteError: an image's figure is not a number, or an estimator has none at all; the
        results are written nevertheless.
    """
    chosen = {"step": config.eval.step, "weights": config.eval.weights}
    if MODELS[config.model.name].has("classifier"):
        _classifier(_placed(restore.load_classifier(config, directory, **chosen)))
        return
    found = _placed(restore.load(config, directory, **chosen))
    config = found.config
    folders.make_folder(found.place / FOLDER, "config.eval.folder")
    if estimators.names(config, "likelihood"):
        _likelihood(config, found)
    if estimators.names(config, "of_samples"):
        _report(found.place, found.step, sample_quality.run(config, found))


def make_reference(config: Config, directory: epath.PathLike) -> None:
    """`--mode=reference`: makes the file, whether or not there is one.

    Raises:
      ConfigError: its extractor cannot be had, or a file is there that is no reference.
    """
    features.check(config)
    path = paths.expanded(directory, f"--workdir={directory}")
    mesh, split = build.mesh(config), config.data.train_split
    source = data_record.open_split(path, config, split)
    extractor = features.make(config, mesh, source, restore.OTHERS)
    has_run = (path / workdir.CONFIG).exists()
    if has_run and not _is_of_the_run(path, config, split, source.identity):
        evaluated = build.source(config, config.data.eval_split)
        path = _place_apart(path, config, evaluated.identity)
    else:
        path = workdir.place_of_evaluations(path, config)
    file, found = reference.make(config, path, mesh, source, extractor)
    if jax.process_index() == 0:
        num, num_features = found.moments.num, found.moments.mean.size
        what = "images" if source.num_values else "points"
        print(f"{num} {what}, {num_features} features each: {file}")


def _placed(restored: Restored[Bound]) -> Restored[Bound]:
    """The restored model, with the place of its results, apart where on other data."""
    path, config = restored.path, restored.config
    split = config.data.eval_split
    identity = restored.data.identity(split)
    results = workdir.place_of_evaluations(path, config)
    report_of_step = results / FOLDER / f"{restored.step}.json"
    is_of_the_run = _is_of_the_run(path, config, split, identity)
    if is_of_the_run and not place.is_of_other_data(report_of_step, identity):
        return dataclasses.replace(restored, results=results)
    return dataclasses.replace(restored, results=_place_apart(path, config, identity))


def _is_of_the_run(
    path: epath.Path, config: Config, split: str, identity: Mapping[str, Any]
) -> bool:
    """Whether the config's data and split are those of the workdir's run.

    Args:
      path: the workdir.
      config: the config.
      split: a split of the config's data.
      identity: its identity.
    """
    run = workdir.config_of(path)
    other = changes.other_data(config, flat(run))
    if other.keys() == {"data.name"} and data_record.has(path, split, identity):
        other = {}  # They have moved.
    return not other and config.data.eval_split == run.data.eval_split


def _place_apart(
    path: epath.Path, config: Config, identity: Mapping[str, Any]
) -> epath.Path:
    """Makes the folder of results on other data, with a config to be read as a workdir is."""
    base = workdir.place_of_evaluations(path, config)
    results = place.of_other_data(base, identity, config.data.train_split)
    folders.make_folder(results, "config.eval.folder")
    workdir.remember_config(results, config)
    logging.info("other data than the run's: the results go to %s", results)
    return results


def _classifier(restored: Restored[ClassifierModel]) -> None:
    """Writes of each estimator what it writes, such as eval/<step>_accuracy.json."""
    config = restored.config
    folders.make_folder(restored.place / FOLDER, "config.eval.folder")
    for estimator_rows in estimators.listed(config, "of_a_classifier"):
        logging.info("compiling the evaluation (%s) ...", estimator_rows.name)
        measurement = estimators.make_measurement(
            *(config, estimator_rows, restored.mesh, restored.model, restored.source)
        )
        found = measurement.measured(restored.place, restored.params, restored.step)
        _report(restored.place, restored.step, found)


def _report(path: epath.Path, step: int, found: Evaluation) -> None:
    """Reports an evaluation to TensorBoard and the terminal."""
    if jax.process_index() == 0:
        writers.to_tensorboard(path, step, found.scalars, found.pictures)
        print(f"step {step}: {found.summary} in {found.file}")


def _likelihood(config: Config, restored: Restored[Denoiser]) -> None:
    """Writes eval/<step>.json, its rows and pictures."""
    weights, source = digest(restored.params), restored.source
    rows, reports, stores = {}, {}, []
    for name in estimators.names(config, "likelihood"):
        logging.info("compiling the evaluation (%s) ...", name)
        evaluator = likelihood.make_evaluator(
            config, restored.mesh, restored.model, source, name
        )
        settings = evaluator.settings(weights)
        stores.append(unfinished.Store(restored.place, restored.step, name, settings))
        rows[name] = evaluator.rows(restored.params, stores[-1])
        if jax.process_index() == 0:
            reports[name] = evaluator.report(rows[name], restored.step)
    if jax.process_index() != 0:
        return
    gaps = report.gaps(rows, math.prod(restored.data.shape))
    found = report.merged(reports, gaps)
    file = report.write(restored.place, restored.step, found, rows)
    pictures = _pictures(rows, found["num_dims"])
    for name, picture in pictures.items():
        png = file.with_name(f"{restored.step}_{name}.png")
        files.replace_bytes(png, encoding.png(picture))
    scalars = report.scalars(found, estimators.bounds())
    writers.to_tensorboard(restored.place, restored.step, scalars, pictures)
    for store in stores:
        store.forget()
    print(f"step {restored.step}: {wording.summary(found)} in {file}")
    print(wording.table(found))
    if bad := wording.failure(found):
        raise NonFiniteError(bad)


def _pictures(rows: dict[str, Rows], num_dims: int) -> dict[str, plots.Picture]:
    """The plots of the bound along log SNR, of the estimators that have it."""
    pictures = {}
    for name, estimator_rows in rows.items():
        curve = rows_lib.loss_by_log_snr(estimator_rows, num_dims)
        if curve is not None:
            pictures[f"{name}_loss"] = plots.loss_by_log_snr(*curve, "the draws")
    return pictures
