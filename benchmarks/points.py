"""How well models of points find a density that is known: by nats, and by W1 of samples.

    python -m benchmarks.points [--runs two_peaks two_peaks:fresh points2d]
        [--workdir=runs/points]

Trains each config of configs/ (its name, and its variant after a colon) anew, with the clock
running, compilation included. Then the variational bound and the density by the flow of the
test points, beside the entropy of the truth; what they are over the truth is paired point by
point. Then the Wasserstein distance of samples by every sampler from the truth, with its
standard error over repetitions, beside that of the training points and of as many fresh true
points: no sampler of a model of 800 points need be nearer than these 800. On a line the
distance is to the distribution function, in the plane sliced and to 200,000 true points.
"""

import argparse
import importlib
import math
import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from etils import epath
from ml_collections import ConfigDict as Config

import ddpm_jax
from benchmarks import measure
from ddpm_jax.check import check_config
from ddpm_jax.data.source import KnownDensity, Source, known_density
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.evaluation import estimators, likelihood
from ddpm_jax.evaluation.sample_quality import summarised
from ddpm_jax.metrics import wasserstein
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.runs import restore
from ddpm_jax.sampling import sample_batches

RUNS = ("two_peaks", "two_peaks:fresh", "points2d")
NUM_SAMPLES, NUM_STEPS, NUM_REPEATS = 10_000, 100, 3
BATCH_SIZE = 2_500
# True points that stand for the truth in the plane; places at which a line's is summed up.
NUM_TRUE, NUM_PLACES = 200_000, 200_001
SEED = 1  # Of true points.

Distance = Callable[[np.ndarray], float]


def config_of(run: str) -> Config:
    """The config of a file of configs/ and its variant."""
    name, _, variant = run.partition(":")
    get_config = importlib.import_module(f"configs.{name}").get_config
    config: Config = get_config(variant) if variant else get_config()
    return config


def to_truth(density: KnownDensity, dimensions: int) -> Distance:
    """The distance of points, as rows, from a density: exact on a line, else sliced."""
    if dimensions > 1:
        truth = density.draw(NUM_TRUE, SEED)
        return lambda points: wasserstein.distance(truth, points)
    some = density.draw(10_000, SEED)
    reach = np.ptp(some)
    low, high = float(some.min() - reach), float(some.max() + reach)
    x = np.linspace(low, high, NUM_PLACES)
    values = np.exp(density.log_density(x[:, None]))
    areas = 0.5 * (values[1:] + values[:-1]) * np.diff(x)
    cumulative = np.concatenate([[0.0], np.cumsum(areas)])

    def cdf(at: np.ndarray) -> np.ndarray:
        return np.interp(at, x, cumulative / cumulative[-1])

    return lambda points: wasserstein.to_cdf(points[:, 0], cdf, low, high)


def all_points(source: Source) -> np.ndarray:
    """The points of a split, as rows."""
    return np.stack([source[i]["image"].ravel() for i in range(len(source))])


def trained(run: str, folder: epath.Path) -> tuple[Restored[Denoiser], float]:
    """The model of a run, trained anew, and the seconds that took."""
    config, path = config_of(run), folder / run.replace(":", "_")
    if path.exists():
        shutil.rmtree(path)
    begun = time.perf_counter()
    ddpm_jax.train(config, path)
    seconds = time.perf_counter() - begun
    return restore.load(config, path, step=-1, weights="ema"), seconds


def likelihoods(restored: Restored[Denoiser]) -> dict[str, Any]:
    """The nats of the test points by each estimator, and what they are over the truth."""
    results = {}
    for name in estimators.names(restored.config, "likelihood"):
        evaluator = likelihood.make_evaluator(
            restored.config, restored.mesh, restored.model, restored.source, name
        )
        begun = time.perf_counter()
        report = evaluator.report(evaluator.rows(restored.params), restored.step)
        results[name] = {
            **report["density"],
            "num_points": report["num_examples"],
            "seconds": time.perf_counter() - begun,
        }
    return results


def sampled(
    restored: Restored[Denoiser], distance: Distance, sampler: str, num_steps: int
) -> dict[str, Any]:
    """The distance of samples by a sampler, repeated with other noise, and their cost."""
    config = restored.config.copy_and_resolve_references()
    with config.unlocked():
        config.sample.update(
            sampler=sampler,
            num_steps=num_steps,
            num_samples=NUM_SAMPLES,
            batch_size=BATCH_SIZE,
        )
    check_config(config)
    batches = sample_batches.Batches(config, restored.mesh, restored.model)
    batches.draw(restored.params, 0)  # Compiles.
    distances, evaluations, seconds = [], [], 0.0
    for number in range(NUM_REPEATS):
        points, begun = [], time.perf_counter()
        for start in range(0, NUM_SAMPLES, BATCH_SIZE):
            batch = batches.draw(restored.params, number * NUM_SAMPLES + start)
            points.append(batch.pixels.reshape(BATCH_SIZE, -1))
            evaluations.append(np.mean(batch.num_evaluations))
        seconds += time.perf_counter() - begun
        distances.append(distance(np.concatenate(points)))
    return {
        "w1": summarised(distances),
        "num_network_evaluations": float(np.mean(evaluations)),
        "seconds": seconds / NUM_REPEATS,
    }


def measured(run: str, folder: epath.Path, num_steps: int) -> dict[str, Any]:
    """All figures of a run."""
    restored, seconds = trained(run, folder)
    config = restored.config
    source = restored.data.open_split(config.data.train_split)
    density = known_density(source)
    assert density is not None
    distance = to_truth(density, math.prod(source.shape))
    true = [
        distance(density.draw(NUM_SAMPLES, SEED + 1 + i))
        for i in range(3 * NUM_REPEATS)
    ]
    report: dict[str, Any] = {
        "training_seconds": seconds,
        "steps": restored.step,
        "entropy_of_the_truth": density.entropy,
        "likelihood": likelihoods(restored),
        "num_training_points": len(source),
        "w1_of_true_points": summarised(true),
        "samplers": {},
    }
    # More of them are not what limits a model.
    if len(source) <= NUM_SAMPLES:
        report["w1_of_training_points"] = distance(all_points(source))
    last = config.schedule.num_steps
    chosen = {name: min(num_steps, last or num_steps) for name in SAMPLERS}
    cells = [*chosen.items(), *([("ancestral", last)] if last > num_steps else [])]
    for name, steps in cells:
        own = SAMPLERS[name].has("own_steps")
        key = name if own else f"{name}, {steps} steps"
        report["samplers"][key] = sampled(restored, distance, name, steps)
        print(run, key, report["samplers"][key]["w1"]["mean"], flush=True)
    return report


def markdown(reports: dict[str, dict[str, Any]], command: str) -> str:
    """The tables of all runs, for a document."""
    lines = [
        "# Points: models beside the density that is known",
        "",
        f"    {command}",
        "",
        "Nats a point, over the test points; s.e. over draws of noise and over points. `over"
        " the truth` is paired point by point: a Kullback-Leibler divergence, or a bound on"
        " one.",
        "",
        "| run | training | truth's entropy | estimator | nats | over the truth | s.e. |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for run, report in reports.items():
        for name, result in report["likelihood"].items():
            excess = result["excess_over_the_truth"]
            errors = [excess["stderr"], excess["stderr_points"]]
            known = " and ".join("-" if e is None else f"{e:.4f}" for e in errors)
            lines.append(
                f"| {run} | {report['training_seconds']:.0f} s |"
                f" {report['entropy_of_the_truth']:.4f} | {name} |"
                f" {result['nats_per_point']['nats']:.4f} | {excess['nats']:+.4f} |"
                f" {known} |"
            )
    for run, report in reports.items():
        of_training = report.get("w1_of_training_points")
        true = report["w1_of_true_points"]
        others = (
            f"{NUM_SAMPLES} true points {true['mean']:.4f} (s.e. {true['stderr']:.4f})"
        )
        if of_training:
            others += f", of the training points {of_training:.4f}"
        lines += [
            "",
            f"## {run}",
            "",
            f"Trained on {report['num_training_points']} points. W1 from the truth of"
            f" {NUM_SAMPLES} samples, {NUM_REPEATS} times; of {others}.",
            "",
            "| sampler | W1 | s.e. | over training points' | over true points' |"
            " evaluations | seconds |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, result in report["samplers"].items():
            mean, error = result["w1"]["mean"], result["w1"]["stderr"]
            over = f"{mean / of_training:.2f}" if of_training else "-"
            lines.append(
                f"| {name} | {mean:.4f} | {error:.4f} | {over} |"
                f" {mean / true['mean']:.2f} | {result['num_network_evaluations']:.0f} |"
                f" {result['seconds']:.1f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", nargs="+", default=list(RUNS), metavar="CONFIG")
    parser.add_argument("--workdir", type=measure.path, help="where the runs are to be")
    parser.add_argument("--num-steps", type=int, default=NUM_STEPS)
    parser.add_argument("--results", type=measure.path, default=measure.RESULTS)
    args = parser.parse_args()
    folder = args.workdir or tempfile.mkdtemp(prefix="points_")
    reports = {
        run: measured(run, epath.Path(folder), args.num_steps) for run in args.runs
    }
    file = measure.write(
        "points", measure.environment() | {"runs": reports}, args.results
    )
    named = "" if args.runs == list(RUNS) else f" --runs {' '.join(args.runs)}"
    text = markdown(reports, f"python -m benchmarks.points{named}")
    (args.results / "points.md").write_text(text)
    print(text)
    print(f"written to {file} and {args.results / 'points.md'}")


if __name__ == "__main__":
    main()
