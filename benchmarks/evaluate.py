"""What each estimator of the likelihood gives for its network evaluations.

    python main.py --config=configs/photos_vdm.py --workdir=runs/photos_vdm
    python -m benchmarks.evaluate --workdir=runs/photos_vdm

Takes that run's trained network and measures the test split by every estimator: images a
second, network evaluations an image (those of a pilot pass included), the standard error over
draws of noise, and that error over the one which plain draws have after as many evaluations.
Plain is one time an image, uniform and independent of all others, each image as often. The flow
is measured on the first images alone. Last, what the compiler sets aside for states.
"""

import argparse
import json
import math
import time
from typing import Any

import numpy as np
from ml_collections import ConfigDict as Config

from benchmarks import measure
from configs import photos_vdm
from ddpm_jax.core import sharding
from ddpm_jax.evaluation import likelihood
from ddpm_jax.evaluation.results.report import Report
from ddpm_jax.models import restored
from ddpm_jax.runs import restore

# Name -> the fields of config.eval that make it. The first is the plain estimator.
BOUNDS: dict[str, dict[str, Any]] = {
    "plain": {"num_draws": 2},
    "stratified, 4 draws": {"num_draws": 4},
    "stratified, 16 draws": {"num_draws": 16},
    "stratified, 16 draws, pilot": {"num_draws": 16, "pilot_examples": 64},
}
FLOWS: dict[str, dict[str, Any]] = {
    f"ode, rtol = atol = {tolerance:g}": {"rtol": tolerance, "atol": tolerance}
    for tolerance in (1e-3, 1e-5)
}


def changed(config: Config, options: dict[str, Any], **ode: Any) -> Config:
    """The config with these fields of its groups eval and eval.ode."""
    new = config.copy_and_resolve_references()
    new.eval.update(options)
    new.eval.ode.update(ode)
    return new


def measured(
    config: Config, found: restored.Restored, name: str
) -> tuple[Report, dict[str, Any]]:
    """A report, and the figures of this benchmark; the first pass compiles."""
    evaluator = likelihood.make_evaluator(
        config, found.mesh, found.model, found.source, name
    )
    rows = evaluator.rows(found.params)
    start = time.perf_counter()
    again = evaluator.rows(found.params)
    seconds = time.perf_counter() - start
    np.testing.assert_array_equal(rows["nats.total"], again["nats.total"])
    report = evaluator.report(rows, found.step)
    num = len(rows["index"])
    evaluations = report["num_network_evaluations"]
    return report, {
        "bits_per_dim": report["bits_per_dim"],
        "stderr": report["bits_per_dim_stderr"],
        "stderr_images": report["bits_per_dim_stderr_images"],
        "images": num,
        "images_per_second": num / seconds,
        "evaluations_an_image": evaluations + report["num_pilot_evaluations"] / num,
        "programs": evaluator.estimate._cache_size(),
        "not_converged": len(report["failed"]["not_converged"]),
    }


def bounds_section(config: Config, found: restored.Restored) -> dict[str, Any]:
    """Every estimate of the bound, and its error over that of plain draws."""
    section: dict[str, Any] = {}
    for name, options in BOUNDS.items():
        _, section[name] = measured(changed(config, options), found, "stratified")
    plain = section["plain"]
    for own in section.values():
        share = plain["evaluations_an_image"] / own["evaluations_an_image"]
        equal = plain["stderr"] * math.sqrt(share)
        own["stderr_over_plain_at_equal_evaluations"] = own["stderr"] / equal
    return section


def flows_section(
    config: Config, found: restored.Restored, num_images: int
) -> dict[str, Any]:
    """The flow's likelihood by its tolerance, and how far from the bound it lies."""
    section: dict[str, Any] = {}
    few = {"num_examples": num_images, "batch_size": min(num_images, 64)}
    bound, section["bound"] = measured(
        changed(config, few | {"num_draws": 16}), found, "stratified"
    )
    for name, options in FLOWS.items():
        report, section[name] = measured(changed(config, few, **options), found, "ode")
        section[name]["less_the_bound"] = report["bits_per_dim"] - bound["bits_per_dim"]
    return section


def memory_section(config: Config, found: restored.Restored) -> dict[str, Any]:
    """Mebibytes that the compiler sets aside, by draws: one batch of states, not one a draw."""
    section: dict[str, Any] = {}
    for num_draws in (4, 64):
        one = changed(config, {"num_draws": num_draws})
        evaluator = likelihood.make_evaluator(
            one, found.mesh, found.model, found.source, "stratified"
        )
        shape = (one.eval.batch_size, *found.model.shape)
        batch = sharding.put_batch(
            found.mesh,
            {
                "image": np.zeros(shape, np.uint8),
                "index": np.arange(shape[0], dtype=np.int32),
            },
        )
        lowered = evaluator.estimate.lower(found.params, batch, None)
        analysis = lowered.compile().memory_analysis()
        mebibytes = analysis.temp_size_in_bytes / 2**20
        section[f"{num_draws} draws"] = round(mebibytes, 1)
    return section


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=measure.path, required=True)
    parser.add_argument("--flow_images", type=int, default=64)
    args = parser.parse_args()

    config = photos_vdm.get_config()
    found = restore.load(config, args.workdir, step=-1, weights="ema")
    report = {
        "environment": measure.environment(),
        "data": dict(found.source.identity),
        "step": found.step,
        "bounds": bounds_section(config, found),
        "flow": flows_section(config, found, args.flow_images),
        "memory_mebibytes": memory_section(config, found),
    }
    print(json.dumps(report, indent=2))
    print(f"written to {measure.write('evaluate', report, measure.RESULTS)}")


if __name__ == "__main__":
    main()
