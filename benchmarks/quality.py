"""How good samples are, by sampler and number of steps, and how fast they are drawn.

    python main.py --config=configs/digits.py --workdir=runs/digits_1000
        --config.schedule.num_steps=1000
    python main.py --config=configs/digits_classifier.py --workdir=runs/judge --config.seed=1
    python -m benchmarks.quality runs/digits_1000 --judge=runs/judge

    python main.py --config=configs/photos.py --workdir=runs/photos
    python main.py --config=configs/photos.py --workdir=runs/photos_judge --config.seed=1
        --config.model.name=classifier --config.model.classifier.base_features=32
        --config.model.classifier.num_groups=8 --config.training.num_steps=400
        --config.training.sample_every=0 --config.eval.estimators=accuracy
    python -m benchmarks.quality runs/photos --judge=runs/photos_judge --name=photos
        --num-samples=200 --num-repeats=2

Of each cell the Frechet distance to all training images, by the features of a classifier, its
standard error over repetitions with other noise, and samples a second (without the first batch,
which compiles). All cells draw as many samples, from the same first latents, since the distance
of few samples is larger. A cell that is in the results already is not measured again.
"""

import argparse
import json
import math
from typing import Any

import jax
from ml_collections import ConfigDict as Config

from benchmarks import measure
from ddpm_jax.check import check_config
from ddpm_jax.config.schema import default
from ddpm_jax.evaluation import features, reference, sample_quality
from ddpm_jax.evaluation.extractors.extractor import Extractor
from ddpm_jax.evaluation.repeated_samples import RepeatedSamples
from ddpm_jax.evaluation.results.table import aligned
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.runs import restore
from ddpm_jax.training.checkpoints import fingerprint

# Name -> the fields of config.sample that make it.
SAMPLERS: dict[str, dict[str, Any]] = {
    "ancestral": {},
    "ancestral, quadratic": {"spacing": "quadratic"},
    "ddim": {"sampler": "ddim"},
    "ddim, eta 1, quadratic": {
        "sampler": "ddim",
        "spacing": "quadratic",
        "ddim": {"eta": 1.0},
    },
    "euler": {"sampler": "euler"},
    "heun": {"sampler": "heun"},
    "dpm_solver, 2M": {"sampler": "dpm_solver"},
    "dpm_solver, 2M, sde": {
        "sampler": "dpm_solver",
        "dpm_solver": {"eta": 1.0},
    },
    "dpm_solver, 3M": {"sampler": "dpm_solver", "dpm_solver": {"order": 3}},
    "unipc": {"sampler": "unipc"},
    "unipc, quadratic": {"sampler": "unipc", "spacing": "quadratic"},
    "predictor_corrector": {"sampler": "predictor_corrector"},
}
NUM_STEPS = (5, 10, 20, 50, 1000)


def cell_config(config: Config, name: str, num_steps: int) -> Config:
    """The config of one cell."""
    own = config.copy_and_resolve_references()
    with own.unlocked():
        own.sample.update(SAMPLERS[name])
        own.sample.num_steps = num_steps
    return own


def cell(
    config: Config,
    restored: Restored[Denoiser],
    extractor: Extractor,
    real: reference.Reference,
) -> dict[str, Any]:
    """Distance and speed of the samples that a config describes."""
    check_config(config)
    samples = RepeatedSamples(config, restored, extractor)
    # The batch that compiles.
    samples.warm_up()
    distances, seconds = [], 0.0
    for number in range(config.eval.quality.num_repeats):
        drawn = samples.draw(number)
        seconds += drawn.seconds
        distances.append(sample_quality.figures(config, real, drawn.features)["fid"])
    num = config.eval.quality.num_samples * config.eval.quality.num_repeats
    return {
        "frechet_distance": sample_quality.summarised(distances),
        "num_network_evaluations": drawn.num_evaluations,
        "samples_per_second": num / seconds,
    }


def table(cells: dict[str, Any], steps: list[int]) -> str:
    """Rows of samplers, columns of steps."""
    lines = [["", *(f"{num_steps} steps" for num_steps in steps)]]
    for name in SAMPLERS:
        line = [name]
        for num_steps in steps:
            found = cells.get(f"{name}, {num_steps} steps")
            if found is None:
                line.append("-")
                continue
            distance = found["frechet_distance"]
            error = distance["stderr"]
            known = error is not None and math.isfinite(error)
            of_error = f" ±{error:.3f}" if known else ""
            speed = found["samples_per_second"]
            line.append(f"{distance['mean']:.3f}{of_error} ({speed:.3g}/s)")
        lines.append(line)
    return aligned(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("workdir", help="of a denoiser")
    parser.add_argument("--judge", required=True, help="a classifier's workdir")
    parser.add_argument("--name", default="digits", help="of the results' file")
    parser.add_argument("--samplers", default=";".join(SAMPLERS), help="by semicolons")
    parser.add_argument("--steps", type=int, nargs="+", default=list(NUM_STEPS))
    parser.add_argument("--num-samples", type=int, default=500)
    parser.add_argument("--num-repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=250)
    parser.add_argument("--out", type=measure.path, default="benchmarks/results")
    args = parser.parse_args()
    config = restore.config_of("the workdir", args.workdir, default())
    with config.unlocked():
        config.sample.update(
            default().sample, batch_size=args.batch_size, sampler="ancestral"
        )
        config.eval.estimators = "fid"
        config.eval.quality.update(
            extractor="classifier",
            classifier=args.judge,
            num_samples=args.num_samples,
            num_repeats=args.num_repeats,
        )
    restored = restore.load(config, args.workdir, step=-1, weights="ema")
    extractor = features.make(config, restored.mesh, restored.source, restored.others)
    real = reference.of(config, restored.path, restored.mesh, extractor)

    kind = jax.devices()[0].device_kind.lower()
    file = args.out / f"quality_{args.name}_{kind}.json"
    report = json.loads(file.read_text()) if file.exists() else {"cells": {}}
    same = {
        "data": real.identity["data"],
        "extractor": real.identity["extractor"],
        "num_samples": args.num_samples,
        "num_repeats": args.num_repeats,
        "step": restored.step,
        "weights": f"ema:{config.ema.decay}",
        "seed": config.seed,
        "num_latents": config.schedule.num_steps,
        "arrays": fingerprint(restored.params),
    }
    for field, value in same.items():
        if field not in ("num_repeats",) and report.get(field, value) != value:
            parser.error(
                f"{file} has cells of {field} {report[field]}, not {value}: remove it, or"
                " write another --name or --out"
            )
    report |= measure.environment() | same
    for num_steps in args.steps:
        for name in args.samplers.split(";"):
            key = f"{name}, {num_steps} steps"
            if key not in report["cells"]:
                own = cell_config(config, name, num_steps)
                report["cells"][key] = cell(own, restored, extractor, real)
                measure.write(f"quality_{args.name}", report, args.out)
                print(key, report["cells"][key], flush=True)
    print(table(report["cells"], args.steps))


if __name__ == "__main__":
    main()
