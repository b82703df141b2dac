"""Injects faults of the world around the program, and says how the program meets each.

python -m tests.faults                     all of them
python -m tests.faults --only=signals      one part, or some: --only=signals-3,disk-1
python -m tests.faults --list              what there is

A command meets each fault in a process of its own. It must end without a traceback, with a
documented status and one line that names the file or field and the remedy, and keep every
checkpoint; once the fault is mended, the same command must go on, to the files of a run without
it. The exit status is the number of faults that were met otherwise. What the last campaign
found is in faults.md.
"""

import argparse
import importlib
import os
import signal
import sys
import time

from tests import quickly

# Imported once, before a process is forked for each fault.
LARGE = (
    *("jax.numpy", "orbax.checkpoint", "grain", "clu.metric_writers", "diffrax"),
    *("clu.parameter_overview", "PIL.Image", "matplotlib.figure", "scipy.linalg"),
    *("sklearn.datasets", "ddpm_jax.commands.modes", "ddpm_jax.commands.compare"),
    *("ddpm_jax.train", "ddpm_jax.evaluate", "ddpm_jax.sample", "ddpm_jax.data.folder"),
    *("ddpm_jax.data.builtin", "ddpm_jax.evaluation.extractors.classifier"),
)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", help="parts or names, by commas")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--jobs", type=int, default=2, help="so many at a time")
    args = parser.parse_args(argv)
    # A process that a script starts in the background begins with it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # One device, and all programs of the few that are compiled kept.
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    quickly.set_environment()
    os.environ["XLA_FLAGS"] = quickly.FLAGS
    from tests.faults import campaign, every

    chosen = every.chosen(args.only)
    if args.list:
        for name, fault in chosen.items():
            print(f"{name:14} {fault.command}: {fault.what}")
        return 0
    for module in LARGE:
        importlib.import_module(module)
    _use_small_network()
    start = time.monotonic()
    wrong = campaign.run(chosen, args.jobs, lambda line: print(line, flush=True))
    minutes = (time.monotonic() - start) / 60.0
    print(f"{len(chosen) - wrong} of {len(chosen)} met, in {minutes:.1f} minutes")
    return wrong


def _use_small_network() -> None:
    import pytest

    from tests import tiny

    tiny.use_small_network(pytest.MonkeyPatch())


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 100))
