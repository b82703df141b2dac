"""What the loop around the step costs: time, input, memory.

    python -m benchmarks.train_loop

Trains configs/digits.py for a while and compares its rate with that of the bare compiled step
on one batch that is already on the device, before and after. Then the input pipeline alone, on
images of CIFAR-10's size with flips, and the process's peak memory at the first and the last
row of the run.
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

from benchmarks import measure
from configs import digits
from ddpm_jax import build, train
from ddpm_jax.data import pipeline, sources
from ddpm_jax.training import parallel

LOG_EVERY = 50
BARE_STEPS = 50


def bare_images_per_second(config: Any, state: Any, step: Any, batch: Any) -> float:
    """Of the compiled step alone, waited for once at the end."""
    state = jax.block_until_ready(step(state, batch))
    start = time.perf_counter()
    for _ in range(BARE_STEPS):
        state = step(state, batch)
    jax.block_until_ready(state)
    return BARE_STEPS * config.data.batch_size / (time.perf_counter() - start)


def loop_section(num_steps: int) -> dict[str, Any]:
    """The loop's rate over the bare step's, and memory at both ends."""
    config = digits.get_config()
    config.training.update(
        num_steps=num_steps, log_every=LOG_EVERY, eval_every=0, sample_every=0
    )
    config.training.checkpoint_every = 0
    source = build.source(config, "train")
    mesh = parallel.make_mesh(1)
    training = build.training(config, mesh, build.model(config, source))
    batches = pipeline.train_batches(
        source, seed=config.seed, batch_size=config.data.batch_size
    )
    batch = training.put(batches[0])

    def bare() -> float:
        return bare_images_per_second(config, training.create(), training.step, batch)

    before = bare()
    with tempfile.TemporaryDirectory() as workdir:
        train.run(config, workdir)
        text = (pathlib.Path(workdir) / "speed.jsonl").read_text()
    after = bare()
    rows = [json.loads(line) for line in text.splitlines()]
    loop = statistics.median(row["images_per_second"] for row in rows)
    bare_rate = 0.5 * (before + after)
    return {
        "bare_images_per_second": bare_rate,
        "loop_images_per_second": loop,
        "loop_overhead": bare_rate / loop - 1.0,
        "memory_gib_first_row": rows[0]["memory_gib"],
        "memory_gib_last_row": rows[-1]["memory_gib"],
        "num_steps": num_steps,
    }


def input_section(batch_size: int, num_batches: int) -> dict[str, Any]:
    """Examples a second that the pipeline hands over, 32x32 in colour, flipped."""
    source = sources.make("photos", "train", image_size=32, stride=4)
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
    parser.add_argument("--num-steps", type=int, default=550)
    args = parser.parse_args()
    report = {
        "environment": measure.environment(),
        "loop": loop_section(args.num_steps),
        "input": input_section(batch_size=128, num_batches=200),
    }
    print(json.dumps(report, indent=2))
    print(f"written to {measure.write('train_loop', report, measure.RESULTS)}")


if __name__ == "__main__":
    main()
