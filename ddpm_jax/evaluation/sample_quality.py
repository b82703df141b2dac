"""How good samples are: the estimators of config.eval.estimators that need samples.

Samples are those that config.sample describes, by number: repetition r has the numbers
r N to (r + 1) N - 1, so that repetitions are independent, and every one of them is measured
against the same reference of all training images.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging
from jaxtyping import Float, Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files, progress, sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.evaluation import convention, estimators, features, reference
from ddpm_jax.evaluation.features import ExtractedFeatures, Extractor
from ddpm_jax.evaluation.reference import Reference
from ddpm_jax.evaluation.results.evaluation import Evaluation
from ddpm_jax.evaluation.results.saved import FOLDER
from ddpm_jax.metrics import frechet, inception_score, kernel, moments, neighbours
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import analytic_variance, guides, sample_batches, tasks

NAME = "quality"
# Above so many examples, the kernel distance is a mean over subsets of so many.
MOST_PAIRED = 10_000
SUBSET = 1000
NUM_SPLITS = 10  # Of the inception score, by convention.


class Samples(NamedTuple):
    """Of one repetition.

    Attributes:
      seen: what the extractor made of each.
      labels: the class that each was drawn for; -1: none.
      num_evaluations: of the network, a sample, on average.
      seconds: that drawing took, without the looking.
    """

    seen: ExtractedFeatures
    labels: Int[np.ndarray, " samples"]
    num_evaluations: float
    seconds: float


Figures = dict[str, float]
Metric = Callable[[Reference, ExtractedFeatures], Figures]


def _fid(real: Reference, seen: ExtractedFeatures) -> Figures:
    return {"fid": frechet.distance(real.moments, moments.of(seen.features))}


def _kid(real: Reference, seen: ExtractedFeatures) -> Figures:
    if max(len(real.features), len(seen.features)) <= MOST_PAIRED:
        return {"kid": kernel.distance(real.features, seen.features)}
    # Of a small data set, subsets are no larger than it is.
    size = min(SUBSET, len(real.features), len(seen.features))
    found = kernel.over_subsets(
        real.features, seen.features, np.random.default_rng(0), subset_size=size
    )
    return {"kid": found.mean}


def _inception_score(real: Reference, seen: ExtractedFeatures) -> Figures:
    num_splits = min(NUM_SPLITS, len(seen.log_probs))
    log_probs = np.asarray(seen.log_probs, np.float64)
    # What float32 left over of a sum that is 1.
    log_probs -= np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
    return {"inception_score": inception_score.score(log_probs, num_splits).mean}


def _precision_recall(real: Reference, seen: ExtractedFeatures) -> Figures:
    found = neighbours.precision_recall(real.features, _some(seen))
    return found._asdict()


def _density_coverage(real: Reference, seen: ExtractedFeatures) -> Figures:
    found = neighbours.density_coverage(real.features, _some(seen))
    return found._asdict()


def _some(seen: ExtractedFeatures) -> Float[np.ndarray, "some features"]:
    """As many as the reference keeps, at most."""
    return np.asarray(seen.features[: reference.MOST_KEPT])


METRICS: Mapping[str, Metric] = {
    "fid": _fid,
    "kid": _kid,
    "inception_score": _inception_score,
    "precision_recall": _precision_recall,
    "density_coverage": _density_coverage,
}


def run(config: Config, restored: Restored[Denoiser]) -> Evaluation:
    """Draws, measures, and writes eval/<step>_quality.json."""
    tasks.without_files(config)
    extractor = features.make(config, restored.mesh, restored.source)
    real = reference.of(config, restored.path, restored.mesh, extractor)
    sampled = Sampled(config, restored, extractor)
    num = config.eval.quality.num_samples
    if "fid" in estimators.quality_names(config) and num <= real.moments.mean.size:
        logging.warning(
            "config.eval.quality.num_samples = %d: no more than there are features, %d, so"
            " that a covariance has no full rank and fid is too large",
            *(num, real.moments.mean.size),
        )
    if "kid" in estimators.quality_names(config) and guides.num_in_turn(config) > 1:
        logging.warning(
            "config.sample.classes = %s: classes in turn are not independent draws, so that"
            " kid has a bias; write () to have them drawn",
            tuple(config.sample.classes),
        )
    found = measured(config, real, sampled)
    report = {
        "estimators": estimators.quality_names(config),
        **found,
        "num_samples": num,
        "num_repeats": config.eval.quality.num_repeats,
        "num_reference_features": len(real.features),
        "convention": convention.of_samples(
            config, real.identity, restored.step, sampled.others
        ),
    }
    file = restored.path / FOLDER / f"{restored.step}_{NAME}.json"
    if jax.process_index() == 0:
        files.write(file, (json.dumps(report, indent=2) + "\n").encode())
    figures = found["figures"]
    summary = ", ".join(
        f"{name} {own['mean']:.4g}"
        + ("" if own["stderr"] is None else f" (s.e. {own['stderr']:.2g})")
        for name, own in figures.items()
    )
    summary += f" of {num} samples by {real.identity['extractor']['name']} features"
    scalars = {f"eval/{name}": own["mean"] for name, own in figures.items()}
    return Evaluation(scalars, {}, summary, str(file), failure="")


def measured(config: Config, real: Reference, sampled: "Sampled") -> dict[str, Any]:
    """Each figure's mean over repetitions and its standard error, where there are some."""
    rows, evaluations = [], []
    for number in range(config.eval.quality.num_repeats):
        own = sampled.draw(number)
        evaluations.append(own.num_evaluations)
        rows.append(figures(config, real, own.seen))
    return {
        "figures": {name: summarised([row[name] for row in rows]) for name in rows[0]},
        "num_network_evaluations": float(np.mean(evaluations)),
    }


def figures(config: Config, real: Reference, seen: ExtractedFeatures) -> Figures:
    """All that config.eval.estimators asks of some samples.

    Raises:
      ConfigError: a metric cannot work with them.
    """
    row: Figures = {}
    for name in estimators.quality_names(config):
        try:
            row |= METRICS[name](real, seen)
        except ValueError as error:
            raise ConfigError(f"config.eval.estimators, {name!r}: {error}") from error
    return row


def summarised(values: list[float]) -> dict[str, Any]:
    """Mean, standard error over independent repetitions, and each."""
    stderr = None
    if len(values) > 1:
        stderr = float(np.std(values, ddof=1) / math.sqrt(len(values)))
    return {"mean": float(np.mean(values)), "stderr": stderr, "each": values}


class Sampled:
    """Samples of config.sample by repetition, seen by an extractor; compiles once.

    Args:
      config: of the run.
      t: whose samples.
      extractor: that sees them.
    """

    def __init__(
        self, config: Config, restored: Restored[Denoiser], extractor: Extractor
    ) -> None:
        guide = guides.of(config, restored)
        # What tells the guide's arrays from others.
        self.others = guides.identity(config, guide)
        log_variance = analytic_variance.of(config, restored, guide)
        self._batches = sample_batches.Batches(
            config, restored.mesh, restored.model, guide, log_variance=log_variance
        )
        self._restored, self._extractor = restored, extractor
        self._num, self._size = (
            config.eval.quality.num_samples,
            config.sample.batch_size,
        )

    def warm_up(self) -> None:
        """Draws and looks at one batch: what compiles is compiled."""
        batch = self._batches.draw(self._restored.params, 0)
        self._extractor.look(sharding.put_whole(self._restored.mesh, batch.pixels))

    def draw(self, number: int) -> Samples:
        """Repetition `number`."""
        first, seconds = number * self._num, 0.0
        seen, labels, evaluations = [], [], []
        bar = progress.Bar(f"sampling ({number + 1})", self._num)
        with bar:
            for start in range(0, self._num, self._size):
                kept = min(self._size, self._num - start)
                begun = time.perf_counter()
                batch = self._batches.draw(self._restored.params, first + start, bar)
                seconds += time.perf_counter() - begun
                pixels = sharding.put_whole(self._restored.mesh, batch.pixels)
                seen.append([part[:kept] for part in self._extractor.look(pixels)])
                labels.append(batch.labels[:kept])
                evaluations.append(np.mean(batch.num_evaluations))
                bar.update(kept)
        whole = ExtractedFeatures(
            *(np.concatenate(parts) for parts in zip(*seen, strict=True))
        )
        return Samples(
            whole, np.concatenate(labels), float(np.mean(evaluations)), seconds
        )


def accuracy(samples: Samples) -> float:
    """How often the extractor's class is the one that a sample was drawn for."""
    told = samples.labels >= 0
    return float(
        np.mean(np.argmax(samples.seen.log_probs, 1)[told] == samples.labels[told])
    )
