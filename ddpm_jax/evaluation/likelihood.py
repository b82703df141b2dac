"""Likelihood of every image of a split, by one estimator.

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
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import progress, sharding
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.data import passes, pipeline
from ddpm_jax.data.source import Source
from ddpm_jax.diffusion.likelihood import elbo, strata
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.evaluation import convention, estimators
from ddpm_jax.evaluation.results import report, unfinished, wording
from ddpm_jax.evaluation.results import rows as rows_lib
from ddpm_jax.evaluation.results.evaluation import Evaluation
from ddpm_jax.evaluation.results.report import Report
from ddpm_jax.evaluation.results.rows import Rows
from ddpm_jax.models.backbone import Conditioning
from ddpm_jax.models.denoiser import Denoiser
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
        done = sharding.agreed(len(found)) if store else 0
        edges = self._edges(params) if done < len(batches) else None
        bar = progress.Bar(f"evaluating ({self.name})", len(batches), initial=done)
        with bar, contextlib.closing(pipeline.iterate(batches, done)) as rest:
            for number, local in enumerate(rest, done):
                batch, kept = sharding.put_masked(self.mesh, local)
                result = self.estimate(params, batch, edges)
                estimate, ends = jax.device_get(result)
                index = sharding.whole(self.mesh, batch["index"])
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

    def measured(self, path: epath.Path, params: Params, step: int) -> Evaluation:
        """Writes eval/<step>.json and the figures of single images."""
        rows = self.rows(params)
        found = self.report(rows, step)
        file = report.write(path, step, found, {self.name: rows})
        scalars, summary = report.scalars(found), wording.summary(found)
        return Evaluation(scalars, {}, summary, str(file), report.failure(found))

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
            batch, kept = sharding.put_masked(self.mesh, local)
            draws = np.asarray(jax.device_get(self.pilot(params, batch)), np.float64)
            found.append(draws[..., kept])
        t, per_time = np.concatenate(found, axis=-1)
        num_strata = elbo.num_strata(self.config.eval.num_draws)
        return strata.edges(t, per_time, num_strata).astype(np.float32)


def make_evaluator(
    config: Config, mesh: Mesh, model: Denoiser, source: Source, name: str | None = None
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
        return model.bind(
            params, conditioning=Conditioning(labels=batch["label"] if told else None)
        )

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
        pilot = sharding.compile_for_batch(mesh, draw_pilot)
        num_pilot = min(config.eval.pilot_examples, len(source))
        pilot_evaluations = num_pilot * estimators.pilot_evaluations(config, model)
    compiled = sharding.compile_for_batch(mesh, estimate)
    return Evaluator(config, name, mesh, source, compiled, pilot, pilot_evaluations)
