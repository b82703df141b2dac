"""Timing, peaks of devices, and the report that benchmarks write."""

import argparse
import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

from ddpm_jax.core import paths
from ddpm_jax.core.errors import ConfigError

RESULTS = pathlib.Path(__file__).parent / "results"

# Dense bfloat16 TFLOP/s by the makers' data sheets. The first name that the
# device's kind holds counts.
PEAK_TFLOPS = {
    "B200": 2250.0,
    "H200": 989.0,
    "H100 PCIe": 756.0,
    "H100": 989.0,
    "A100": 312.0,
    "L40S": 362.0,
    "L4": 121.0,
    "A10": 125.0,
    "TPU v6 lite": 918.0,
    "TPU v5 lite": 197.0,
    "TPU v5": 459.0,
    "TPU v4": 275.0,
}


def peak_tflops(device_kind: str) -> float | None:
    """The device's bfloat16 peak, None if it is not in the table."""
    for name, peak in PEAK_TFLOPS.items():
        if name in device_kind:
            return peak
    return None


def alternated(
    runs: Mapping[str, Callable[[], object]], rounds: int, pause: float = 0.0
) -> dict[str, list[float]]:
    """Seconds of each run in each round: all runs once a round, the first untimed.

    Whatever else the machine does then falls on all alike. The pause between two runs,
    in seconds, lets the threads of the one before fall asleep.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(rounds + 1):
        for name, run in runs.items():
            time.sleep(pause)
            start = time.perf_counter()
            run()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def compared(seconds: Mapping[str, list[float]], per: int = 1) -> dict[str, Any]:
    """Median seconds of each run over `per`; of two, also of their ratios."""
    medians = {
        f"{name}_seconds": statistics.median(values) / per
        for name, values in seconds.items()
    }
    result: dict[str, Any] = medians | {"rounds": len(next(iter(seconds.values())))}
    if len(seconds) == 2:
        ratios = sorted(a / b for a, b in zip(*seconds.values(), strict=True))
        result["ratio"] = statistics.median(ratios)
        result["ratio_range"] = [ratios[0], ratios[-1]]
    return result


def environment() -> dict[str, Any]:
    """What the figures depend on and no more: no name of a machine or user."""
    versions = {"python": platform.python_version()}
    for package in ("jax", "jaxlib", "flax", "optax", "torch", "diffusers"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device": device.device_kind,
        "num_cpus": os.cpu_count(),
        "versions": versions,
    }


def write(name: str, report: Mapping[str, Any], folder: pathlib.Path) -> pathlib.Path:
    """The report as JSON, in a file named after the benchmark and the device."""
    device = re.sub(r"[^a-z0-9]+", "_", jax.devices()[0].device_kind.lower()).strip("_")
    file = folder / f"{name}_{device}.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=2) + "\n")
    return file


def path(written: str) -> pathlib.Path:
    """A path of a command line, as `paths.expanded` reads it; for argparse."""
    try:
        return pathlib.Path(paths.expanded(written, repr(written)))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def peer(module: str) -> Any:
    """A module of this folder that needs the peer, or None where that is not installed."""
    try:
        import torch

        found = importlib.import_module(f"benchmarks.{module}")
    except ImportError as error:
        print(
            f"no peer, since {error.name} is missing: see benchmarks/requirements.txt"
        )
        return None
    torch.set_num_threads(os.cpu_count() or 1)
    return found


def peak_bytes(usage: Any) -> int:
    """Of a compiled program: arguments, temporaries, outputs that alias no argument."""
    return (
        usage.temp_size_in_bytes
        + usage.argument_size_in_bytes
        + usage.output_size_in_bytes
        - usage.alias_size_in_bytes
    )


def run_sections(
    parser: argparse.ArgumentParser,
    args: argparse.Namespace,
    name: str,
    sections: Mapping[str, Callable[[argparse.Namespace], Any]],
) -> None:
    """Runs args.sections, all if there are none; prints each report and writes all."""
    unknown = sorted(set(args.sections) - set(sections))
    if unknown:
        parser.error(f"no section {unknown[0]!r}: write some of {', '.join(sections)}")
    report = environment()
    for section in args.sections or sections:
        report[section] = sections[section](args)
        print(json.dumps({section: report[section]}, indent=2), flush=True)
    print(f"written to {write(name, report, args.results)}")
