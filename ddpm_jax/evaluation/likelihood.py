"""Likelihood of every image of a split, by one estimator.

Image i of the split is measured with noise from (seed, i): the same for every checkpoint,
batch size and number of devices. Rows are on disk after each batch, so that an evaluation that
was killed goes on where it was.
"""

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import progress, sharding
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.data import passes, pipeline
from ddpm_jax.data.source import Source, known_density
from ddpm_jax.diffusion.conditioning import thresholds
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process.pixel_decoder import is_continuous
from ddpm_jax.evaluation import convention, estimators
from ddpm_jax.evaluation.estimators import Chosen
from ddpm_jax.evaluation.likelihoods.estimator import (
    Batch,
    LikelihoodEstimator,
    noise_key,
)
from ddpm_jax.evaluation.results import report, unfinished, wording
from ddpm_jax.evaluation.results import rows as rows_lib
from ddpm_jax.evaluation.results.density import Truth
from ddpm_jax.evaluation.results.evaluation import Evaluation
from ddpm_jax.evaluation.results.report import Report
from ddpm_jax.evaluation.results.rows import Rows
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.training.state import Params


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """The evaluator of one split by one estimator; each method compiles once.

    Attributes:
      config: config of the run.
      chosen: the estimator's choice and options in the config.
      estimator: the estimator made of them.
      mesh: the devices.
      model: the denoiser.
      source: the first config.eval.num_examples of the split.
      estimate: (parameters, batch, edges of strata) -> estimate of the whole batch.
      pilot: (parameters, batch) -> times and draws of the pilot pass for the whole batch;
        None: there is no such pass.
    """

    config: Config
    chosen: Chosen
    estimator: LikelihoodEstimator
    mesh: Mesh
    model: Denoiser
    source: Source
    estimate: Any
    pilot: Any

    def rows(self, params: Params, store: unfinished.Store | None = None) -> Rows:
        """Measures every image in order; `store` keeps rows, also those of an earlier start."""
        batches = self._batches(self.source)
        all_rows = store.read(len(batches)) if store else []
        done = sharding.from_process_0(len(all_rows)) if store else 0
        edges = self._edges(params) if done < len(batches) else None
        bar = progress.Bar(
            f"evaluating ({self.chosen.name})", len(batches), initial=done
        )
        with bar, contextlib.closing(pipeline.iterate(batches, done)) as rest:
            for number, local in enumerate(rest, done):
                batch, kept = sharding.put_masked(self.mesh, local)
                result = self.estimate(params, batch, edges)
                estimate, ends = jax.device_get(result)
                index = sharding.gathered(self.mesh, batch["index"])
                rows = rows_lib.of_batch(estimate, ends, index, kept)
                if store:
                    store.add(number, rows)
                all_rows.append(rows)
                bar.update()
        return rows_lib.joined(all_rows)

    @property
    def headline(self) -> str:
        """The figure's name among a run's metrics."""
        return report.headline(self.chosen.name, estimators.bounds())

    def measured(self, path: epath.Path, params: Params, step: int) -> Evaluation:
        """Measures, and writes eval/<step>.json and the figures of single images."""
        rows = self.rows(params)
        figures = self.report(rows, step)
        file = report.write(path, step, figures, {self.chosen.name: rows})
        scalars = report.scalars(figures, estimators.bounds())
        summary, failure = wording.summary(figures), wording.failure(figures)
        return Evaluation(scalars, {}, summary, str(file), failure)

    def report(self, rows: Rows, step: int) -> Report:
        """The report of the rows, for the weights of a step."""
        return report.make(
            rows,
            math.prod(self.source.shape),
            num_draws=self.estimator.num_draws,
            num_pilot_evaluations=self._pilot_evaluations(),
            convention=self.convention(step),
            is_density=is_continuous(self.model.pixel_decoder),
            truth=self._truth(rows),
        )

    def _truth(self, rows: Rows) -> Truth | None:
        """The density that the measured points were drawn from, if it is known."""
        density = known_density(self.source)
        if density is None:
            return None
        points = [self.source[int(i)]["image"].ravel() for i in rows["index"]]
        return Truth(
            density.entropy,
            density.entropy_error,
            density.log_density(np.stack(points).astype(np.float64)),
        )

    def convention(self, step: int) -> dict[str, Any]:
        """The convention of the figure of a step's weights, for its report."""
        return convention.of_likelihood(
            *(self.config, self.source, step),
            estimator=self.chosen.name,
            figure=self.estimator.figure,
            options=dataclasses.asdict(self.chosen.options),
            decoder=self.model.pixel_decoder.description,
            is_clipped=estimators.is_clipped(self.config, self.chosen),
        )

    def settings(self, weights: Mapping[str, int]) -> tuple[Any, ...]:
        """All settings on which rows depend, so that stored rows of others are not used.

        Args:
          weights: `checkpoints.digest` of the parameters.
        """
        return self.config.to_json(), self.source.identity, weights

    def _batches(self, source: Source) -> pipeline.Batches:
        return passes.batches(source, self.config.eval.batch_size)

    def _pilot_source(self) -> Source:
        return pipeline.evenly_spaced(self.source, self.config.eval.pilot_examples)

    def _pilot_evaluations(self) -> int:
        """The number of evaluations of the network in the pilot pass."""
        if self.estimator.pilot is None:
            return 0
        an_image = self.estimator.pilot.num_evaluations(self.model.pixel_decoder)
        return len(self._pilot_source()) * an_image

    def _edges(self, params: Params) -> np.ndarray | None:
        """The edges of strata, from images spread over the split with noise of their own."""
        if self.estimator.pilot is None:
            return None
        all_draws = []
        for local in self._batches(self._pilot_source()):
            batch, kept = sharding.put_masked(self.mesh, local)
            draws = np.asarray(jax.device_get(self.pilot(params, batch)), np.float64)
            all_draws.append(draws[..., kept])
        t, per_time = np.concatenate(all_draws, axis=-1)
        return self.estimator.pilot.edges(t, per_time).astype(np.float32)


def make_evaluator(
    config: Config, mesh: Mesh, model: Denoiser, source: Source, name: str | None = None
) -> Evaluator:
    """The evaluator of one estimator, the first that the config lists if not named."""
    name = name or estimators.names(config, "likelihood")[0]
    chosen = estimators.chosen(config, name)
    estimator = estimators.make_likelihood(config, chosen)
    root = noise_key(config.seed, name, estimator)
    pilot_root = stream_key(config.seed, Stream.PILOT)
    if config.eval.num_examples:
        source = pipeline.first(source, config.eval.num_examples)
    is_clipped = estimators.is_clipped(config, chosen)
    pixel_decoder = model.pixel_decoder

    def bound(params: Params, batch: Any) -> Diffusion:
        is_conditional = model.num_classes and config.eval.class_conditional
        conditioning = Conditioning(labels=batch["label"] if is_conditional else None)
        return model.bind(params, conditioning=conditioning)

    def clipped(diffusion: Diffusion) -> Diffusion:
        return thresholds.clipped(diffusion) if is_clipped else diffusion

    def estimate(params: Params, batch: Any, edges: Any) -> Any:
        diffusion = bound(params, batch)
        keys = example_keys(root, batch["index"])
        images = Batch(batch["image"], keys, batch["index"], edges)
        estimated = estimator.estimate(clipped(diffusion), pixel_decoder, images)
        ends = diffusion.log_snr(jnp.array([0.0, 1.0]))
        return estimated, ends

    def draw_pilot(params: Params, batch: Any) -> Any:
        assert estimator.pilot is not None
        keys = example_keys(pilot_root, batch["index"])
        images = Batch(batch["image"], keys, batch["index"])
        diffusion = clipped(bound(params, batch))
        estimated = estimator.pilot.estimate(diffusion, pixel_decoder, images)
        assert estimated.profile is not None
        return jnp.stack([estimated.profile.t, estimated.profile.per_time])

    return Evaluator(
        config,
        chosen,
        estimator,
        mesh,
        model,
        source,
        estimate=sharding.compile_for_batch(mesh, estimate),
        pilot=estimator.pilot and sharding.compile_for_batch(mesh, draw_pilot),
    )
