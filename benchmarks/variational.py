"""What a learned schedule is worth: variance of the loss, error of the bound, time of a step.

    python main.py --config=configs/photos_vdm.py --workdir=runs/photos_vdm
    python -m benchmarks.variational --workdir=runs/photos_vdm

Takes the trained network of that run and its learned ends, and measures the mean loss of many
training batches, each with three kinds of times: by the learned interior, by the straight line
between the same ends, and by importance from the adaptive density. All see the same batches and
noise. Then the bound by as many network evaluations as configs/photos_vdm.py has: pairs of
mirrored times for each image, against one time an image drawn with repetition. Then seconds a
training step, ours against the published design's, in turns.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict as Config

from benchmarks import measure
from configs import photos_vdm
from ddpm_jax.core import sharding
from ddpm_jax.core.randomness import example_keys
from ddpm_jax.data import pipeline
from ddpm_jax.diffusion.process import times
from ddpm_jax.evaluation import likelihood
from ddpm_jax.models import build, objective
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.timed_objective import Draws
from ddpm_jax.training import parallel
from ddpm_jax.training.checkpoints import Checkpoints

Losses = Callable[..., Any]


def variants(config: Config) -> dict[str, Config]:
    """The ways to take times that are compared."""
    line, adaptive = config.copy_and_resolve_references(), config
    line.schedule.learned_monotone.interior = "line"
    adaptive = line.copy_and_resolve_references()
    adaptive.loss.time_sampling = "importance"
    return {"learned": config, "line": line, "adaptive": adaptive}


def batch_losses(config: Config, model: Denoiser, batch_size: int) -> Losses:
    """(params, history, batch, number) -> mean loss of that batch, as a step has it."""
    sampler = objective.time_sampler(config, model)
    loss_fn = objective.loss(config, model)

    @jax.jit
    def mean(params: Any, history: Any, batch: Any, number: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(1), number)
        time_key, noise_key = jax.random.split(key)
        u = times.stratified(time_key, jnp.arange(batch_size), batch_size)
        at = sampler.draw(history, model.log_snr(params), u)
        keys = example_keys(noise_key, jnp.arange(batch_size))
        losses = loss_fn(params, batch, Draws(at, keys, keys))
        return jnp.mean(at.weight * losses.timed + losses.rest)

    return mean


def params_of(config: Config, params: Any) -> Any:
    """The trained parameters, without an interior where the line has none."""
    if config.schedule.learned_monotone.interior != "line":
        return params
    return {**params, "schedule": {"ends": params["schedule"]["ends"]}}


def variance_section(config: Config, state: Any, num_batches: int) -> dict[str, Any]:
    """Variance of the batch's mean loss by each way to take times."""
    source = build.source(config, "train")
    size = config.data.batch_size
    batches = pipeline.train_batches(source, seed=1, batch_size=size)
    found: dict[str, list[float]] = {}
    losses = {}
    for name, changed in variants(config).items():
        model = build.model(changed, source)
        losses[name] = (
            batch_losses(changed, model, size),
            params_of(changed, state.params),
        )
        found[name] = []
    for number in range(num_batches):
        batch = {"image": jnp.asarray(batches[number]["image"])}
        for name, (mean, params) in losses.items():
            found[name].append(float(mean(params, state.time_history, batch, number)))
    values = {name: np.array(list_) for name, list_ in found.items()}
    report: dict[str, Any] = {"num_batches": num_batches, "batch_size": size}
    for name, of in values.items():
        report[name] = {
            "mean_bits_per_dim": of.mean(),
            "variance": of.var(ddof=1),
            "variance_over_line": of.var(ddof=1) / values["line"].var(ddof=1),
            "variance_over_line_90_percent": bootstrap(of, values["line"]),
        }
    return report


def bootstrap(ours: np.ndarray, theirs: np.ndarray) -> list[float]:
    """Where the ratio of two variances of paired draws lies, nine times in ten."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, ours.size, (2_000, ours.size))
    ratios = ours[index].var(axis=1) / theirs[index].var(axis=1)
    return [float(q) for q in np.quantile(ratios, [0.05, 0.95])]


def estimator_section(config: Config, params: Any, repeats: int) -> dict[str, Any]:
    """Standard error of the bound from equally many evaluations, two ways."""
    source = build.source(config, "test")
    model, mesh = build.model(config, source), build.mesh(config)
    evaluator = likelihood.make_evaluator(config, mesh, model, source)
    ours = evaluator.report(evaluator.rows(params), 0)
    evaluations = ours["num_examples"] * ours["num_network_evaluations"]

    line = variants(config)["line"]
    straight = build.model(line, source)
    size = 128
    mean = batch_losses(line, straight, size)
    history = objective.time_sampler(line, straight).init()
    rng = np.random.default_rng(0)
    drawn = []
    for number in range(repeats * evaluations // size):
        index = rng.integers(0, len(source), size)
        images = np.stack([source[int(i)]["image"] for i in index])
        batch = {"image": jnp.asarray(images)}
        drawn.append(float(mean(params_of(line, params), history, batch, number)))
    per_estimate = np.array(drawn).reshape(repeats, -1).mean(axis=1)
    return {
        "network_evaluations": evaluations,
        "pairs": {
            "bits_per_dim": ours["bits_per_dim"],
            "stderr": ours["bits_per_dim_stderr"],
            "stderr_images": ours["bits_per_dim_stderr_images"],
        },
        "one_time_an_image": {
            "bits_per_dim": float(per_estimate.mean()),
            "stderr": float(np.std(drawn, ddof=1) / np.sqrt(len(drawn) / repeats)),
        },
    }


def step_section(rounds: int, steps: int) -> dict[str, Any]:
    """Seconds a training step: configs/photos_vdm.py over its variant `published`."""
    runs = {}
    for name, variant, interior in (
        ("ours", "full", "network"),
        ("published", "published", "line"),
        ("published_network", "published", "network"),
    ):
        config = photos_vdm.get_config(variant)
        config.schedule.learned_monotone.interior = interior
        source = build.source(config, "train")
        training = build.training(
            config, sharding.make_mesh(1), build.model(config, source)
        )
        batches = pipeline.train_batches(
            source, seed=0, batch_size=config.data.batch_size
        )
        batch = training.put(batches[0])
        runs[name] = advance(training, batch, steps)
    seconds = measure.alternated(runs, rounds)
    report = measure.compared(seconds, per=steps)
    for name in ("published", "published_network"):
        ratios = [a / b for a, b in zip(seconds[name], seconds["ours"], strict=True)]
        report[f"{name}_over_ours"] = float(np.median(ratios))
    return report


def advance(training: parallel.Training, batch: Any, steps: int) -> Callable[[], None]:
    """Some more steps, each time it is called."""
    held = [training.create()]

    def run() -> None:
        for _ in range(steps):
            held[0] = training.step(held[0], batch)
        jax.block_until_ready(held[0])

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=measure.path, required=True)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    config = Config(json.loads((args.workdir / "config.json").read_text()))
    mesh, source = build.mesh(config), build.source(config, "train")
    abstract = build.training(config, mesh, build.model(config, source)).abstract
    newest = Checkpoints(args.workdir, read_only=True).restore_newest(abstract)
    if newest is None:
        parser.error(
            f"--workdir={args.workdir} holds no checkpoint: train there first."
        )
    step, state = newest
    report = {
        "environment": measure.environment(),
        "step": step,
        "variance_of_the_batch_loss": variance_section(config, state, args.batches),
        "bound": estimator_section(
            config, build.weights(config, state, "ema"), repeats=4
        ),
        "training_step": step_section(args.rounds, steps=4),
    }
    print(json.dumps(report, indent=2))
    print(f"written to {measure.write('variational', report, measure.RESULTS)}")


if __name__ == "__main__":
    main()
