"""The analytic reverse variance of a checkpoint, estimated once and stored beside it."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from etils import epath
from jax import lax
from jaxtyping import Array, Float
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files, folders, sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.data import passes, pipeline
from ddpm_jax.data.identity import differences
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.process import gaussian, schedules
from ddpm_jax.diffusion.process.times import CONTINUOUS
from ddpm_jax.diffusion.samplers import analytic_variance, ancestral, time_grids
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import guides, samplers
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.training.checkpoints import digest

FOLDER = "variance"
# The largest number of times at which the error is estimated, evenly spaced in log SNR.
NUM_POINTS = 64


def of(
    config: Config, restored: Restored[Denoiser], guide: Guide
) -> ancestral.LogVariance | None:
    """The log variance that the sampler needs estimated from data; None: it needs none.

    It is read from variance/<step>.json if that was estimated with the same settings, and
    otherwise estimated and stored there.
    """
    c = config.sample
    _, options = samplers.sampler_choice(config)
    if not options.variance_examples:
        return None
    split, num = config.data.train_split, options.variance_examples
    images = restored.data.identity(split)
    settings = {
        "step": restored.step,
        "weights": c.weights,
        "arrays": digest(restored.params),
        "seed": config.seed,
        "threshold": [c.threshold, dict(c.get(c.threshold, {}))],
        "guidance": [c.guidance, dict(c.get(c.guidance, {}))],
        **guides.identity(config, guide),
        "data": pipeline.evenly_spaced_identity(images, num),
    }
    file = restored.path / FOLDER / f"{restored.step}.json"
    table = _saved(file, settings)
    # All processes estimate or none does, and none writes before all have read.
    if not sharding.from_process_0(int(table is not None)) or table is None:
        is_kept = _can_be_kept(file)
        source = pipeline.evenly_spaced(restored.data.open_split(split), num)
        logging.info("estimating the variance from %d examples ...", len(source))
        table = _estimate(config, restored, guide, source)
        if is_kept:
            stored = {name: part.tolist() for name, part in table._asdict().items()}
            text = json.dumps({"settings": settings} | stored, indent=2)
            files.write(file, f"{text}\n".encode())
    return analytic_variance.log_variance(table)


def _can_be_kept(file: epath.Path) -> bool:
    """Whether this process writes the table; in a read-only workdir it is estimated anew."""
    if jax.process_index() != 0:
        return False
    try:
        folders.make_folder(file.parent)
    except ConfigError:
        logging.warning("%s cannot be written: the next start estimates it again", file)
        return False
    return True


def _estimate(
    config: Config, restored: Restored[Denoiser], guide: Guide, source: pipeline.Source
) -> analytic_variance.Table:
    """Estimates the mean error at each time, over examples with one draw of noise each."""
    model, root = restored.model, stream_key(config.seed, Stream.VARIANCE)
    change = samplers.threshold(config)
    fixed = None
    # A chain's times are computed before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = _times(model, model.schedule.log_snr)

    def errors(params: Any, batch: Any) -> Any:
        model_params, other_params = params
        diffusion = change(guide.bind(model_params, other_params, batch["label"]))
        keys = example_keys(root, batch["index"])
        x = model.pixel_decoder.encode(batch["image"])
        times = _times(model, diffusion.log_snr) if fixed is None else fixed

        def at(number: Any) -> Any:
            time_keys = gaussian.fold_in(keys, number)
            return analytic_variance.error(diffusion, x, times[number], time_keys)

        stored = lax.map(at, jnp.arange(times.size))
        log_snr = jnp.broadcast_to(diffusion.log_snr(times)[:, None], stored.shape)
        # Examples first, as in all results of a batch.
        return jnp.stack([log_snr, stored]).transpose(2, 0, 1)

    compiled = sharding.compile_for_batch(restored.mesh, errors)
    params, size = (restored.params, guide.params), config.sample.batch_size
    stored = []
    for batch, kept in passes.device_batches(
        restored.mesh, source, size, "estimating the variance"
    ):
        stored.append(np.asarray(compiled(params, batch), np.float64)[kept])
    log_snr, error = np.concatenate(stored).mean(axis=0)
    return analytic_variance.Table(log_snr, error)


def _times(model: Denoiser, log_snr: LogSnr) -> Float[Array, " times"]:
    """The times of estimation, from 1 down: even in log SNR, in a learned chain even in t."""
    num_steps = model.num_steps
    is_fixed = isinstance(model.schedule, schedules.Schedule)
    make = (
        time_grids.by_log_snr
        if is_fixed or num_steps == CONTINUOUS
        else time_grids.uniform
    )
    return make(log_snr, num_steps, min(NUM_POINTS, num_steps or NUM_POINTS))


def _saved(
    file: epath.Path, settings: dict[str, Any]
) -> analytic_variance.Table | None:
    """The stored table, if it is whole and was estimated with these settings."""
    try:
        stored = json.loads(file.read_text())
        ours, theirs = json.loads(json.dumps(settings)), stored["settings"]
        if differences(ours.pop("data"), theirs.pop("data")) or ours != theirs:
            return None
        return analytic_variance.Table(
            *(np.asarray(stored[n]) for n in analytic_variance.Table._fields)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
