"""Compiles the step once and prints, as JSON, the seconds it took.

Run by benchmarks.train_step in a process of its own, with a folder for the persistent
cache, which the second process finds filled.
"""

import argparse
import json
import time

import jax

from benchmarks import bare_step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", help="folder of the persistent compilation cache")
    parser.add_argument("--batch-size", type=int, required=True)
    args = parser.parse_args()
    jax.config.update("jax_compilation_cache_dir", args.cache)
    jax.devices()

    start = time.perf_counter()
    lowered = bare_step.lower(bare_step.make_net(), args.batch_size)
    middle = time.perf_counter()
    lowered.compile()
    end = time.perf_counter()
    print(
        json.dumps({"trace_seconds": middle - start, "compile_seconds": end - middle})
    )


if __name__ == "__main__":
    main()
