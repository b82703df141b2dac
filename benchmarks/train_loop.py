"""What the loop around the step costs: time, input, memory.

    python -m benchmarks.train_loop

Trains configs/digits.py piece by piece, each as a whole run that goes on from the last, and
between two pieces times the bare compiled step on one batch that is already on the device:
other work on the machine falls on both alike. Then the input pipeline alone, on images of
CIFAR-10's size with flips. Before all that, one run for the process's peak memory.
"""

import argparse
import json
import pathlib
import statistics
import tempfile
import time
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict as Config

from benchmarks import measure
from configs import digits
from ddpm_jax.core import sharding
from ddpm_jax.data import pipeline, table
from ddpm_jax.models import build
from ddpm_jax.train import run

PIECE = 100  # Steps.
BARE_STEPS = 50


def bare_images_per_second(config: Any, state: Any, step: Any, batch: Any) -> float:
    """Of the compiled step alone, waited for once at the end."""
    state = jax.block_until_ready(step(state, batch))
    start = time.perf_counter()
    for _ in range(BARE_STEPS):
        state = step(state, batch)
    jax.block_until_ready(state)
    return BARE_STEPS * config.data.batch_size / (time.perf_counter() - start)


def short_digits(num_steps: int) -> Config:
    """configs/digits.py without what happens between steps."""
    config = digits.get_config()
    config.training.update(
        num_steps=num_steps, log_every=BARE_STEPS, eval_every=0, sample_every=0
    )
    config.training.checkpoint_every = 0
    return config


def memory_section(num_steps: int) -> dict[str, Any]:
    """The process's peak memory at the first and the last row of one run."""
    with tempfile.TemporaryDirectory() as workdir:
        run(short_digits(num_steps), workdir)
        text = (pathlib.Path(workdir) / "speed.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    return {
        "memory_gib_first_row": rows[0]["memory_gib"],
        "memory_gib_last_row": rows[-1]["memory_gib"],
        "num_steps": num_steps,
    }


def loop_section(num_steps: int) -> dict[str, Any]:
    """The loop's rate over the bare step's."""
    config = short_digits(num_steps)
    source = build.source(config, "train")
    mesh = sharding.make_mesh(1)
    training = build.training(config, mesh, build.model(config, source))
    batches = pipeline.train_batches(
        source, seed=config.seed, batch_size=config.data.batch_size
    )
    batch = training.put(batches[0])

    bare: list[float] = []
    loop: list[float] = []
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as workdir:
        speed = pathlib.Path(workdir) / "speed.jsonl"
        for steps_done in range(PIECE, num_steps + 1, PIECE):
            bare.append(
                bare_images_per_second(config, training.create(), training.step, batch)
            )
            config.training.num_steps = steps_done
            run(config, workdir)
            fresh = speed.read_text().splitlines()[len(rows) :]
            rows += [json.loads(line) for line in fresh]
            piece = [row["images_per_second"] for row in rows[-len(fresh) :]]
            loop.append(statistics.median(piece))
    ratios = sorted(a / b - 1.0 for a, b in zip(bare, loop, strict=True))
    return {
        "bare_images_per_second": statistics.median(bare),
        "loop_images_per_second": statistics.median(loop),
        "loop_overhead": statistics.median(ratios),
        "loop_overhead_range": [ratios[0], ratios[-1]],
        "num_steps": num_steps,
    }


def input_section(batch_size: int, num_batches: int) -> dict[str, Any]:
    """Examples a second that the pipeline hands over, 32x32 in colour, flipped."""
    source = table.make("photos", "train", image_size=32, stride=4)
    batches = pipeline.train_batches(source, seed=0, batch_size=batch_size, flip=True)
    reading = pipeline.iterate(batches)
    for _ in range(10):
        next(reading)
    start = time.perf_counter()
    seen = sum(len(np.asarray(next(reading)["image"])) for _ in range(num_batches))
    rate = seen / (time.perf_counter() - start)
    reading.close()
    return {"input_examples_per_second": rate, "batch_size": batch_size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-steps", type=int, default=600)
    args = parser.parse_args()
    # Each piece builds its programs anew.
    jax.config.update("jax_compilation_cache_dir", tempfile.mkdtemp())
    report = {
        "environment": measure.environment(),
        # First, since what it tells is a peak.
        "memory": memory_section(args.num_steps),
        "loop": loop_section(args.num_steps),
        "input": input_section(batch_size=128, num_batches=200),
    }
    print(json.dumps(report, indent=2))
    print(f"written to {measure.write('train_loop', report, measure.RESULTS)}")


if __name__ == "__main__":
    main()
