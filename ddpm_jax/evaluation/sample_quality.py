"""The quality of samples: the estimators of config.eval.estimators that need samples.

Samples are those that config.sample describes, drawn anew, or those of the folders that
config.eval.quality.samples names. Every repetition of them is measured against the
same reference of all training images.
"""

import json
import math
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import estimators, features, reference
from ddpm_jax.evaluation.extractors.extractor import ExtractedFeatures
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.repeated_samples import RepeatedSamples
from ddpm_jax.evaluation.results.evaluation import Evaluation
from ddpm_jax.evaluation.results.saved import FOLDER, known
from ddpm_jax.evaluation.sample_metrics.metric import Figures
from ddpm_jax.evaluation.stored_samples import StoredSamples
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import guides, tasks

NAME = "quality"


def run(config: Config, restored: Restored[Denoiser]) -> Evaluation:
    """Draws or reads samples, measures them, and writes eval/<step>_quality.json."""
    extractor = features.make(config, restored.mesh, restored.data, restored.others)
    real = reference.of(config, restored.place, restored.mesh, extractor, restored.data)
    samples: RepeatedSamples | StoredSamples
    if config.eval.quality.samples:
        samples = StoredSamples(config, restored, extractor)
    else:
        tasks.without_files(config)
        samples = RepeatedSamples(config, restored, extractor)
    num = config.eval.quality.num_samples
    for name in estimators.names(config, "compares_covariances"):
        if num <= real.moments.mean.size:
            logging.warning(
                "config.eval.quality.num_samples = %d: no more than there are features, %d,"
                " so that a covariance has no full rank and %s is too large",
                *(num, real.moments.mean.size, name),
            )
    for name in estimators.names(config, "needs_independent_samples"):
        if guides.num_in_turn(config) > 1:
            logging.warning(
                "config.sample.classes = %s: classes in turn are not independent draws, so"
                " that %s has a bias; write () to have them drawn",
                *(tuple(config.sample.classes), name),
            )
    results = measured(config, real, samples)
    report = {
        "estimators": estimators.names(config, "of_samples"),
        **results,
        "num_samples": num,
        "num_repeats": config.eval.quality.num_repeats,
        "num_reference_features": len(real.features),
        "convention": samples.convention(real.identity),
    }
    file = restored.place / FOLDER / f"{restored.step}_{NAME}.json"
    if jax.process_index() == 0:
        files.write(file, (json.dumps(report, indent=2) + "\n").encode())
    figures = results["figures"]
    summary = ", ".join(
        f"{name} {figure['mean']:.4g}"
        + ("" if figure["stderr"] is None else f" (s.e. {figure['stderr']:.2g})")
        for name, figure in figures.items()
    )
    summary += f" of {num} samples by {real.identity['extractor']['name']} features"
    scalars = {f"eval/{name}": figure["mean"] for name, figure in figures.items()}
    return Evaluation(scalars, {}, summary, str(file), failure="")


def measured(
    config: Config, real: Reference, samples: RepeatedSamples | StoredSamples
) -> dict[str, Any]:
    """Each figure's mean over repetitions, with its standard error if there are two or more."""
    rows, evaluations = [], []
    for number in range(config.eval.quality.num_repeats):
        repetition = samples.draw(number)
        evaluations.append(repetition.num_evaluations)
        rows.append(figures(config, real, repetition.features))
    return {
        "figures": {name: summarised([row[name] for row in rows]) for name in rows[0]},
        "num_network_evaluations": known(float(np.mean(evaluations))),
    }


def figures(config: Config, real: Reference, samples: ExtractedFeatures) -> Figures:
    """The figures that config.eval.estimators asks for, of one repetition.

    Raises:
      ConfigError: a metric cannot be computed from them.
    """
    row: Figures = {}
    for name, metric in estimators.sample_metrics(config).items():
        try:
            row |= metric.measure(real, samples)
        except ValueError as error:
            raise ConfigError(f"config.eval.estimators, {name!r}: {error}") from error
    return row


def summarised(values: list[float]) -> dict[str, Any]:
    """The mean over independent repetitions, its standard error, and the single values."""
    stderr = None
    if len(values) > 1:
        stderr = float(np.std(values, ddof=1) / math.sqrt(len(values)))
    return {"mean": float(np.mean(values)), "stderr": stderr, "each": values}
