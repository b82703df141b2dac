"""What drawing samples costs: time over the network's own and PyTorch's, memory, compilation.

    python -m benchmarks.sample                    all that this device can measure
    python -m benchmarks.sample overhead memory    these sections only

Sections:
    overhead    seconds a question to the network within a sampler's program, over those of
                the network alone, each fed with what the one before gave
    peer        seconds of DDIM in float32 over those of diffusers' DDIMPipeline, and how far
                the images lie apart; needs benchmarks/requirements.txt
    memory      the program's peak as the compiler reports it, by the number of times; and
                what a process holds, by the number of batches
    compile     programs that three batches compile, and the seconds
    throughput  images a second of DDIM in bfloat16, against the pipeline with channels_last,
                autocast and torch.compile; on an accelerator only

The figures are printed and written to benchmarks/results/.
"""

import argparse
import concurrent.futures
import functools
import gc
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from benchmarks import bare_step, measure
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.diffusion.conditioning import thresholds
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.process import predictions, schedules
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    edm,
    loop,
    time_grids,
    unipc,
)
from ddpm_jax.nets.unet import UNet

MIB = 2**20
LOG_SNR = schedules.linear_beta(bare_step.NUM_LATENTS).log_snr

# Questions to the network in the section `overhead`, of whatever sampler.
NUM_QUESTIONS = 7
# Name -> sampler, and on how many times it asks that often.
SAMPLERS: dict[str, tuple[loop.Sampler, int]] = {
    "ddim": (ddim.make(), 7),
    "dpm_solver_2m": (dpm_solver.multistep(2), 7),
    "unipc_2": (unipc.make(2), 7),
    "heun": (edm.heun(num_steps=bare_step.NUM_LATENTS), 4),
    "ancestral": (ancestral.make(), 7),
}


def uniform(num_times: int) -> loop.Times:
    return time_grids.uniform(LOG_SNR, bare_step.NUM_LATENTS, num_times)


def bind(net: UNet, params: Any) -> Diffusion:
    """The network as a predictor of eps, which sees the index of t."""
    estimates = predictions.PREDICTIONS["eps"].default().estimates

    def denoise(z_t: Array, t: Array) -> Prediction:
        index = t * (bare_step.NUM_LATENTS - 1)
        eps_hat: Any = net.apply({"params": params}, z_t, index, train=False)
        log_snr = LOG_SNR(t)
        x, eps = estimates(eps_hat, z_t, log_snr, log_snr)
        return Prediction(x, eps, jnp.zeros(()))

    return Diffusion(LOG_SNR, denoise)


def make_params(net: UNet) -> Any:
    """First parameters moved at random: the first ones predict nothing but zero."""

    def init(key: Array) -> Any:
        images = jnp.zeros((1, *bare_step.IMAGE_SHAPE))
        params = net.init(key, images, jnp.zeros(1), train=False)["params"]
        leaves, structure = jax.tree.flatten(params)
        keys = jax.random.split(jax.random.fold_in(key, 1), len(leaves))
        moved = [
            leaf + 0.02 * jax.random.normal(k, leaf.shape)
            for k, leaf in zip(keys, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, moved)

    return jax.jit(init)(jax.random.key(0))


# (parameters, numbers of the samples, z_1 or None to draw it) -> x_hat at the last time,
# and the film if it was asked for.
Draw = Callable[..., tuple[Array, loop.Film | None]]


def make_draw(
    net: UNet, sampler: loop.Sampler, times: loop.Times, **options: Any
) -> Draw:
    """One batch, not compiled; `options` are those of `chain.sample`."""

    def draw(
        params: Any, index: Array, z: Array | None = None
    ) -> tuple[Array, loop.Film | None]:
        diffusion = thresholds.clipped(bind(net, params))
        keys = example_keys(stream_key(0, Stream.SAMPLE), index)
        if z is None:
            z = loop.first_latent(keys, bare_step.IMAGE_SHAPE, times.dtype)
        arrival = loop.sample_from(diffusion, sampler, times, z, keys, **options)
        return arrival.prediction.x, arrival.film

    return draw


def numbers(batch_size: int, batch: int = 0) -> np.ndarray:
    """Of the samples of a batch."""
    return np.arange(batch_size, dtype=np.int32) + batch * batch_size


def overhead_section(args: argparse.Namespace) -> dict[str, Any]:
    """Ratios above 1 are what a sampler adds to the network; their aim is 1.05."""
    net = bare_step.make_net()
    params = make_params(net)
    index = numbers(args.batch_size)

    @jax.jit
    def forward(params: Any, z: Array, time: Array) -> Any:
        return net.apply({"params": params}, z, time, train=False)

    z_1 = jax.random.normal(jax.random.key(1), (len(index), *bare_step.IMAGE_SHAPE))
    time = jnp.full(len(index), 500.0)

    def bare() -> None:
        z = z_1
        for _ in range(NUM_QUESTIONS):
            z = forward(params, z, time)
        jax.block_until_ready(z)

    options: dict[str, dict[str, Any]] = {name: {} for name in SAMPLERS}
    # A run's: it is told how far it is, and may keep a film.
    options["ddim"] = {"progress": lambda done, total: None}
    options["ddim_film"] = {"num_frames": 20, **options["ddim"]}
    result: dict[str, Any] = {
        "batch_size": args.batch_size,
        "questions": NUM_QUESTIONS,
    }
    for name, own in options.items():
        sampler, num_times = SAMPLERS[name.removesuffix("_film")]
        draw = jax.jit(make_draw(net, sampler, uniform(num_times), **own))

        def run(draw: Draw = draw) -> None:
            jax.block_until_ready(draw(params, index))

        runs = {"sampler": run, "network": bare}
        seconds = measure.alternated(runs, args.rounds, pause=0.1)
        result[name] = compared(seconds, NUM_QUESTIONS)
    return result


def compared(seconds: dict[str, list[float]], per: int) -> dict[str, Any]:
    """`measure.compared`, and the ratio of the fastest rounds.

    Threads that wait for each other lose more than others where a machine has other work to
    do; the fastest round of each has met the least of it.
    """
    first, second = (min(values) for values in seconds.values())
    return measure.compared(seconds, per) | {"ratio_of_fastest": first / second}


def peer_section(args: argparse.Namespace) -> dict[str, Any]:
    """Ours over diffusers': below 1 is faster. Both clip x_hat and mend eps_hat."""
    peer = measure.peer("peer_sampling")
    if not peer:
        return {"skipped": "no peer: see benchmarks/requirements.txt"}
    net, index = bare_step.make_net(), numbers(args.batch_size)
    params, times = make_params(net), peers_times(args.peer_steps)
    draw = jax.jit(make_draw(net, ddim.make(), times))
    theirs = peer.Runner(params, len(index), args.peer_steps, _torch_device())
    runs = {"ours": lambda: np.asarray(draw(params, index)[0]), "torch": theirs}
    seconds = measure.alternated(runs, args.rounds, pause=0.5)
    result = compared(seconds, args.peer_steps)

    images, _ = draw(params, index, theirs.first_latent())
    apart = np.abs(images - theirs())
    return {
        "batch_size": args.batch_size,
        "steps": args.peer_steps,
        **result,
        "images_apart_most": float(apart.max()),
        "images_apart_mean": float(apart.mean()),
        "images_std": float(np.std(images)),
    }


def peers_times(num_steps: int) -> loop.Times:
    """The peer's list of times, as ours."""
    spacing = bare_step.NUM_LATENTS // num_steps
    listed = [spacing * i for i in reversed(range(num_steps))]
    return time_grids.explicit(LOG_SNR, bare_step.NUM_LATENTS, 0, listed)


def memory_section(args: argparse.Namespace) -> dict[str, Any]:
    """MiB: the program's at its peak, and the process's of a small network."""
    net = bare_step.make_net()
    peaks = {
        num_times: peak(net, args.batch_size, num_times) / MIB
        for num_times in (10, bare_step.NUM_LATENTS)
    }
    held = {
        num_batches: in_new_process(held_by, num_batches) for num_batches in (2, 20)
    }
    return {
        "batch_size": args.batch_size,
        "peak_mib_by_times": peaks,
        "ratio": peaks[bare_step.NUM_LATENTS] / peaks[10],
        "process_by_batches": held,
    }


def peak(net: UNet, batch_size: int, num_times: int, **options: Any) -> int:
    """Bytes: arguments, outputs and temporaries. Nothing is run."""
    shapes = jax.eval_shape(lambda: make_params(net))
    draw = jax.jit(make_draw(net, ddim.make(), uniform(num_times), **options))
    index = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    usage: Any = draw.lower(shapes, index).compile().memory_analysis()
    return measure.peak_bytes(usage)


def small_net() -> UNet:
    return UNet(
        out_channels=3, base_features=32, feature_mults=(1, 2), blocks_per_level=1
    )


def held_by(num_batches: int) -> dict[str, float]:
    """MiB of this process at its peak, and of arrays after the last of the batches."""
    net, batch_size = small_net(), 64
    params = make_params(net)
    draw = jax.jit(make_draw(net, ddim.make(), uniform(10)))
    for batch in range(num_batches):
        jax.device_get(draw(params, numbers(batch_size, batch)))
    arrays = sum(array.nbytes for array in jax.live_arrays())
    return {"process_mib": high_water(), "arrays_mib": arrays / MIB}


def high_water() -> float:
    """MiB that this process has held at most.

    Not `ru_maxrss`: a child takes that over from the process which started it.
    """
    status = pathlib.Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) / 1024


def in_new_process(function: Callable[..., Any], *values: Any) -> Any:
    """What it returns there."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *values).result()


def compile_section(args: argparse.Namespace) -> dict[str, Any]:
    """Of each sampler three batches: the first compiles one program, the others none."""
    net = bare_step.make_net()
    params = make_params(net)
    return {"batch_size": args.batch_size} | {
        name: compiled_by_batches(net, params, sampler, num_times, args.batch_size)
        for name, (sampler, num_times) in SAMPLERS.items()
    }


def compiled_by_batches(
    net: UNet, params: Any, sampler: loop.Sampler, num_times: int, batch_size: int
) -> dict[str, Any]:
    """How many programs each of three batches compiles, and their seconds."""
    draw = jax.jit(make_draw(net, sampler, uniform(num_times)))
    programs, seconds, compiling = [], [], 0.0
    for batch in range(3):
        start = time.perf_counter()
        with compilations() as found:
            jax.block_until_ready(draw(params, numbers(batch_size, batch)))
        seconds.append(time.perf_counter() - start)
        programs.append(len(found))
        compiling += sum(found)
    return {
        "programs_by_batch": programs,
        "compile_seconds": compiling,
        "seconds_by_batch": seconds,
    }


@contextmanager
def compilations() -> Iterator[list[float]]:
    """Fills a list with the seconds of each program that is compiled meanwhile."""
    found: list[float] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def throughput_section(args: argparse.Namespace) -> dict[str, Any]:
    """Images a second in bfloat16."""
    if jax.default_backend() == "cpu":
        return {"skipped": "no accelerator"}
    peer = measure.peer("peer_sampling") if jax.default_backend() == "gpu" else None
    net = bare_step.make_net(dtype="bfloat16")
    params, times = make_params(net), peers_times(args.throughput_steps)
    results: dict[str, Any] = {"steps": args.throughput_steps}
    for batch_size in args.throughput_batch_sizes:
        draw = jax.jit(make_draw(net, ddim.make(), times))
        index = numbers(batch_size)
        runs: dict[str, Any] = {
            "ours": functools.partial(
                lambda f, i: np.asarray(f(params, i)[0]), draw, index
            )
        }
        if peer:
            runs["torch"] = peer.Runner(
                params, batch_size, args.throughput_steps, "cuda", reduced=True
            )
        result = measure.compared(measure.alternated(runs, args.rounds))
        for name in runs:
            result[f"{name}_images_per_second"] = batch_size / result[f"{name}_seconds"]
        results[f"batch_{batch_size}"] = result
        runs.clear()
        gc.collect()
    return results


SECTIONS = {
    "overhead": overhead_section,
    "peer": peer_section,
    "memory": memory_section,
    "compile": compile_section,
    "throughput": throughput_section,
}


def _torch_device() -> str:
    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, help="of all but throughput"
    )
    parser.add_argument("--peer-steps", type=int, default=10)
    parser.add_argument(
        "--throughput-batch-sizes", type=int, nargs="+", default=[128, 512]
    )
    parser.add_argument("--throughput-steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--results", type=measure.path, default=measure.RESULTS)
    args = parser.parse_args()
    # A peer on the same GPU needs room, and so do the processes that measure memory.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    measure.run_sections(parser, args, "sample", SECTIONS)


if __name__ == "__main__":
    main()
