"""Train a small network for a while on given devices and write down what came out.

python -m tests.topology OUT --devices=8 --mode=jit --fsdp=4 --unet
python -m tests.topology OUT --devices=2 --mode jit pmap --processes=2 --process=0 --port=12345

Leaves OUT/jit.npz, OUT/pmap.npz: losses, parameters and their averages.
"""

import argparse
import os
import pathlib
import sys

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from ddpm_jax.core import sharding
from ddpm_jax.data import pipeline
from ddpm_jax.models import build
from ddpm_jax.training import distributed
from tests import quickly, tiny


def train(mode: str, mesh: Mesh, num_steps: int = 20) -> dict[str, np.ndarray]:
    """The losses of all steps, and the arrays after the last."""
    config = tiny.config(
        parallel__mode=mode,
        data__flip=True,
        loss__time_sampling="importance",
        training__log_every=1,
        reverse_variance="learned",
        model__unet__dropout=0.2,
        optimizer__learning_rate=2e-4,
    )
    source = build.source(config, "train")
    training = build.training(config, mesh, build.model(config, source))
    batches = pipeline.train_batches(
        source,
        seed=config.seed,
        batch_size=config.data.batch_size,
        flip=True,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    state, losses = training.create(), []
    for n in range(num_steps):
        state = training.step(state, training.put(batches[n]))
        losses.append(np.asarray(training.to_global(state).window.loss))

    whole = jax.jit(lambda s: s, out_shardings=sharding.replicated(mesh))(
        training.to_global(state)
    )
    arrays = {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(
            {"params": whole.params, "ema": whole.ema_params}
        )
    }
    return {"losses": np.asarray(losses), **arrays}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--mode", nargs="+", default=["jit"])
    parser.add_argument("--fsdp", type=int, default=1)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--unet", action="store_true", help="rather than a small network"
    )
    args = parser.parse_args()
    # Before JAX first asks for devices.
    devices = f"--xla_force_host_platform_device_count={args.devices}"
    os.environ["XLA_FLAGS"] = f"{quickly.FLAGS} {devices}"
    if args.processes > 1:
        distributed.initialize(f"127.0.0.1:{args.port}", args.processes, args.process)
    assert jax.device_count() == args.devices * args.processes

    if not args.unet:
        tiny.use_small_network(pytest.MonkeyPatch())
    for mode in args.mode:
        # A copy on each device leaves nothing to cut.
        mesh = sharding.make_mesh(args.fsdp if mode == "jit" else 1)
        found = train(mode, mesh, args.steps)
        if jax.process_index() == 0:
            np.savez(args.out / f"{mode}.npz", **found)


if __name__ == "__main__":
    sys.exit(main())
