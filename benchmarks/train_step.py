"""What a training step costs: time against PyTorch, memory, compilation, throughput.

    python -m benchmarks.train_step                    all that this device can measure
    python -m benchmarks.train_step time memory        these sections only

Sections:
    time        seconds a step in float32, ours and PyTorch's in turn; needs
                benchmarks/requirements.txt for the peer
    memory      the step's peak as the compiler reports it, with and without remat;
                nothing is run
    compile     seconds to compile, with an empty and a filled persistent cache
    throughput  images a second and share of the peak in bfloat16, against PyTorch with
                channels_last, autocast and torch.compile; on an accelerator only

The figures are printed and written to benchmarks/results/.
"""

import argparse
import functools
import gc
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

import jax

from benchmarks import bare_step, measure

MIB = 2**20


def time_section(args: argparse.Namespace) -> dict[str, Any]:
    """Ours over PyTorch's: below 1 is faster."""
    runs: dict[str, Any] = {
        "ours": bare_step.Runner(bare_step.make_net(), args.batch_size)
    }
    if peer := measure.peer("peer_torch"):
        device = "cuda" if jax.default_backend() == "gpu" else "cpu"
        runs["torch"] = peer.Runner(args.batch_size, device)
    seconds = measure.alternated(runs, args.rounds, pause=0.5)
    return {"batch_size": args.batch_size} | measure.compared(seconds)


def memory_section(args: argparse.Namespace) -> dict[str, Any]:
    """MiB at the peak: arguments, outputs that alias none of them, and temporaries."""
    peaks = {}
    for name, remat in (("plain", False), ("remat", True)):
        lowered = bare_step.lower(
            bare_step.make_net(remat=remat), args.memory_batch_size
        )
        usage: Any = bare_step.compiled(lowered, remat).memory_analysis()
        peaks[name] = measure.peak_bytes(usage)
    return {
        "batch_size": args.memory_batch_size,
        "plain_mib": peaks["plain"] / MIB,
        "remat_mib": peaks["remat"] / MIB,
        "ratio": peaks["remat"] / peaks["plain"],
    }


def compile_section(args: argparse.Namespace) -> dict[str, Any]:
    """Each of the two in a fresh process; tracing, which no cache saves, apart."""
    environment = os.environ | {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    results = []
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, "-m", "benchmarks.compile_once", cache]
        command += ["--batch-size", str(args.batch_size)]
        for _ in range(2):
            done = subprocess.run(
                command, env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            results.append(json.loads(done.stdout.splitlines()[-1]))
    cold, cached = results
    totals = [sum(result.values()) for result in results]
    return {
        "batch_size": args.batch_size,
        "cold": cold,
        "cached": cached,
        "ratio": cached["compile_seconds"] / cold["compile_seconds"],
        "ratio_with_tracing": totals[1] / totals[0],
    }


def throughput_section(args: argparse.Namespace) -> dict[str, Any]:
    """Images a second in bfloat16, and the share of the peak these are worth.

    The operations are those of the step as traced, before the compiler, for both.
    """
    if jax.default_backend() == "cpu":
        return {"skipped": "no accelerator"}
    peak = args.peak_tflops or measure.peak_tflops(jax.devices()[0].device_kind)
    peer = measure.peer("peer_torch") if jax.default_backend() == "gpu" else None
    results = {}
    for batch_size in args.throughput_batch_sizes:
        net = bare_step.make_net(dtype="bfloat16")
        cost = bare_step.lower(net, batch_size).cost_analysis()
        runs: dict[str, Any] = {"ours": bare_step.Runner(net, batch_size)}
        if peer:
            runs["torch"] = peer.Runner(batch_size, "cuda", reduced=True)
        num_steps = max(1, args.throughput_images // batch_size)
        seconds = measure.alternated(
            {name: functools.partial(run, num_steps) for name, run in runs.items()},
            args.rounds,
        )
        result = measure.compared(seconds, per=num_steps)
        for name in runs:
            step_seconds = result[f"{name}_seconds"]
            result[f"{name}_images_per_second"] = batch_size / step_seconds
            if peak and cost:
                tflops = cost["flops"] / step_seconds / 1e12
                result[f"{name}_share_of_peak"] = tflops / peak
        results[f"batch_{batch_size}"] = result
        runs.clear()
        gc.collect()
    return {"peak_tflops": peak} | results


SECTIONS = {
    "time": time_section,
    "memory": memory_section,
    "compile": compile_section,
    "throughput": throughput_section,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument("--batch-size", type=int, default=8, help="of time and compile")
    parser.add_argument("--memory-batch-size", type=int, default=128)
    parser.add_argument(
        "--throughput-batch-sizes", type=int, nargs="+", default=[128, 1024]
    )
    parser.add_argument("--throughput-images", type=int, default=8192, help="a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--peak-tflops",
        type=float,
        help="of the device in bfloat16, if it is not known",
    )
    parser.add_argument("--results", type=measure.path, default=measure.RESULTS)
    args = parser.parse_args()
    # A peer on the same GPU needs room, and so do the processes that only compile.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    measure.run_sections(parser, args, "train_step", SECTIONS)


if __name__ == "__main__":
    main()
