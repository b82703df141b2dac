"""Evaluate a model: the bound in bits per dim, its terms, and their errors.

Image i of the split is measured with noise from (seed, i): the same for every checkpoint,
batch size and number of devices. Two errors are kept apart: that of this estimate of this
test set's mean (over draws of noise), and that of the test set as a sample (over images).
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.sharding import Mesh

from ddpm_jax import build, trained, workdir
from ddpm_jax.binding import Model
from ddpm_jax.config import Config
from ddpm_jax.data import pipeline
from ddpm_jax.data.sources import Source
from ddpm_jax.diffusion import elbo
from ddpm_jax.training import files, parallel, progress
from ddpm_jax.training.randomness import Stream, example_keys, stream_key

Report = dict[str, Any]
Columns = Mapping[str, Any]
# The name of the bound among a run's metrics.
HEADLINE = "eval/bits_per_dim"
FOLDER = "eval"
# By config.decoder.name and .mean, in a report's words.
DECODERS = {
    (name, mean): f"{words} around {centre}"
    for name, words in (
        ("discretized_gaussian", "discretised Gaussian"),
        ("categorical", "categorical over the pixel values"),
    )
    for mean, centre in (
        ("x_hat", "x_hat(z_0), its scale after the reverse variance"),
        ("z_0", "z_0 / alpha_0, of scale sigma_0 / alpha_0"),
    )
}


def make_evaluator(
    config: Config, mesh: Mesh, model: Model, source: Source
) -> Callable[[Any, int], Report]:
    """Compiles once: (parameters, their step) -> report on the whole split."""
    estimate = build.bound_estimator(config, model)
    root = stream_key(config.seed, Stream.EVAL)
    if config.eval.num_examples:
        source = pipeline.first(source, config.eval.num_examples)

    def estimate_batch(params: Any, batch: Any) -> tuple[Columns, Columns]:
        keys = example_keys(root, batch["index"])
        found = estimate(model.bind(params), batch["image"], keys)
        return columns(found.terms), columns(found.draw_variance)

    compiled = parallel.compile_for_batch(mesh, estimate_batch)
    batches = pipeline.eval_batches(
        source,
        batch_size=config.eval.batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )

    def evaluate(params: Any, step: int) -> Report:
        found = []
        with progress.Bar("evaluating", len(batches)) as bar:
            for local in batches:
                batch = parallel.put_batch(mesh, local)
                kept = _whole(mesh, batch["mask"]).astype(bool)
                result = jax.device_get(compiled(params, batch))
                found.append(jax.tree.map(lambda a, kept=kept: a[kept], result))
                bar.update()
        whole = jax.tree.map(lambda *parts: np.concatenate(parts), *found)
        nats, draw_variance = whole
        return report(config, model, source, nats, draw_variance, step)

    return evaluate


def _whole(mesh: Mesh, values: Any) -> np.ndarray:
    return np.asarray(jax.device_put(values, parallel.replicated(mesh)))


def columns(terms: elbo.Terms) -> Columns:
    """One [batch] array a term, and their total."""
    return {**terms._asdict(), "total": terms.total}


def report(
    config: Config,
    model: Model,
    source: Source,
    nats: Columns,
    draw_variance: Columns,
    step: int,
) -> Report:
    """Means over images in bits per dim.

    Args:
      config: of the run.
      model: what was measured.
      source: the images that were measured.
      nats: of each image, one array a term.
      draw_variance: of each of these over draws of noise, nan where it is not known.
      step: of the weights.
    """
    unit = math.prod(source.shape) * math.log(2.0)
    num = len(nats["total"])

    def figures(name: str) -> dict[str, float | None]:
        values = np.asarray(nats[name], np.float64)
        variance = np.sum(np.asarray(draw_variance[name], np.float64))
        over_images = values.std(ddof=1) / math.sqrt(num) / unit if num > 1 else None
        return {
            "bits_per_dim": values.mean() / unit,
            "stderr": None if np.isnan(variance) else math.sqrt(variance) / num / unit,
            "stderr_images": over_images,
        }

    total = figures("total")
    return {
        "bits_per_dim": total["bits_per_dim"],
        "bits_per_dim_stderr": total["stderr"],
        "bits_per_dim_stderr_images": total["stderr_images"],
        "terms": {name: figures(name) for name in elbo.Terms._fields},
        "num_examples": num,
        "num_draws": config.eval.num_draws,
        "num_network_evaluations": build.num_network_evaluations(config, model),
        "convention": convention(config, source, step),
    }


def convention(config: Config, source: Source, step: int) -> dict[str, Any]:
    """All that must agree before two figures may stand side by side."""
    return {
        "data": dict(source.identity),
        "bound": "variational upper bound on -log2 p(x) / dims",
        "estimator": config.eval.estimator,
        "num_latents": config.schedule.num_steps or "infinitely many",
        "schedule": config.schedule.name,
        "prediction": config.prediction,
        "reverse_variance": config.reverse_variance,
        "decoder": DECODERS[config.decoder.name, config.decoder.mean],
        "weights": _weights_name(config),
        "x_hat": "clipped to [-1, 1]" if config.eval.clip else "not clipped",
        "stderr": "over draws of noise, the images fixed; stderr_images: over images",
        "step": step,
    }


def _weights_name(config: Config) -> str:
    if config.eval.weights == "ema":
        return f"ema:{config.ema.decay}"
    return config.eval.weights


def write(path: epath.Path, step: int, found: Report) -> epath.Path:
    """Writes eval/<step>.json whole."""
    file = path / FOLDER / f"{step}.json"
    if jax.process_index() == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
        files.replace_text(file, json.dumps(found, indent=2) + "\n")
    return file


def scalars(found: Report) -> dict[str, float | None]:
    """The report's figures as a row of metrics."""
    return {
        HEADLINE: found["bits_per_dim"],
        f"{HEADLINE}_stderr": found["bits_per_dim_stderr"],
        f"{HEADLINE}_stderr_images": found["bits_per_dim_stderr_images"],
    } | {
        f"eval/{name}_bits_per_dim": term["bits_per_dim"]
        for name, term in found["terms"].items()
    }


def summary(found: Report) -> str:
    """One line for a person."""
    stderr = found["bits_per_dim_stderr"]
    error = "unknown" if stderr is None else f"{stderr:.4f}"
    terms = ", ".join(
        f"{name} {term['bits_per_dim']:.4f}" for name, term in found["terms"].items()
    )
    return (
        f"{found['bits_per_dim']:.4f} bits per dim, s.e. {error} over draws and"
        f" {found['bits_per_dim_stderr_images'] or math.nan:.4f} over images ({terms};"
        f" {found['num_examples']} images, {found['num_network_evaluations']} network"
        " evaluations each)"
    )


def run(config: Config, directory: epath.PathLike) -> None:
    """`--mode=eval`: from a checkpoint to eval/<step>.json."""
    t = trained.load(
        config, directory, step=config.eval.step, weights=config.eval.weights
    )
    workdir.make_folder(t.path / FOLDER)
    logging.info("compiling the evaluation ...")
    found = make_evaluator(config, t.mesh, t.model, t.source)(t.params, t.step)
    file = write(t.path, t.step, found)
    print(f"step {t.step}: {summary(found)} in {file}")
