"""The analytic reverse variance of a checkpoint: estimated once, kept beside it."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from etils import epath
from jax import lax
from jaxtyping import Array, Float

from ddpm_jax import build, guides, passes, samplers, workdir
from ddpm_jax.binding import Model
from ddpm_jax.config import Config
from ddpm_jax.data import pipeline
from ddpm_jax.diffusion import gaussian, schedules
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.samplers import analytic, ancestral, grids
from ddpm_jax.diffusion.times import CONTINUOUS
from ddpm_jax.guides import Guide
from ddpm_jax.trained import Trained
from ddpm_jax.training import parallel
from ddpm_jax.training.checkpoints import digest
from ddpm_jax.training.randomness import Stream, example_keys, stream_key

FOLDER = "variance"
# At most so many times are looked at, evenly spaced in log SNR.
NUM_POINTS = 64


def of(config: Config, t: Trained[Model], guide: Guide) -> ancestral.LogVariance | None:
    """That of config.sample.ancestral, if it is to be estimated; from its file if there.

    variance/<step>.json says what it was estimated from; where that is something else, it is
    estimated again.
    """
    c = config.sample
    if c.sampler != "ancestral" or c.ancestral.variance != samplers.ANALYTIC:
        return None
    source = pipeline.spaced(
        build.source(config, config.data.train_split), c.ancestral.num_examples
    )
    settings = {
        "step": t.step,
        "weights": c.weights,
        "arrays": digest(t.params),
        "seed": config.seed,
        "threshold": [c.threshold, dict(c.get(c.threshold, {}))],
        "guidance": [c.guidance, dict(c.get(c.guidance, {}))],
        **guides.identity(config, guide),
        "data": dict(source.identity),
    }
    file = t.path / FOLDER / f"{t.step}.json"
    table = _saved(file, settings)
    # All processes estimate or none does, and none writes before all have looked.
    if not parallel.agreed(int(table is not None)) or table is None:
        workdir.make_folder(file.parent)
        logging.info("estimating the variance from %d examples ...", len(source))
        table = _estimate(config, t, guide, source)
        if jax.process_index() == 0:
            found = {name: part.tolist() for name, part in table._asdict().items()}
            text = json.dumps({"settings": settings} | found, indent=2)
            workdir.write(file, f"{text}\n".encode())
    return analytic.log_variance(table)


def _estimate(
    config: Config, t: Trained[Model], guide: Guide, source: pipeline.Source
) -> analytic.Table:
    """Mean error at each time, over the examples and one draw of noise each."""
    model, root = t.model, stream_key(config.seed, Stream.VARIANCE)
    change = samplers.threshold(config)
    fixed = None
    # A chain's times are settled before anything is traced.
    if isinstance(model.schedule, schedules.Schedule):
        fixed = _times(model, model.schedule.log_snr)

    def errors(params: Any, batch: Any) -> Any:
        own, asked = params
        diffusion = change(guide.bind(own, asked, batch["label"]))
        keys = example_keys(root, batch["index"])
        x = model.codec.encode(batch["image"])
        times = _times(model, diffusion.log_snr) if fixed is None else fixed

        def at(number: Any) -> Any:
            own = gaussian.fold_in(keys, number)
            return analytic.error(diffusion, x, times[number], own)

        found = lax.map(at, jnp.arange(times.size))
        log_snr = jnp.broadcast_to(diffusion.log_snr(times)[:, None], found.shape)
        # One axis of examples, as all that a batch gives has.
        return jnp.stack([log_snr, found]).transpose(2, 0, 1)

    compiled = parallel.compile_for_batch(t.mesh, errors)
    params, size = (t.params, guide.params), config.sample.batch_size
    found = []
    for batch, kept in passes.each(t.mesh, source, size, "estimating the variance"):
        found.append(np.asarray(compiled(params, batch), np.float64)[kept])
    log_snr, error = np.concatenate(found).mean(axis=0)
    return analytic.Table(log_snr, error)


def _times(model: Model, log_snr: LogSnr) -> Float[Array, " times"]:
    """From 1 down, so that log SNR increases; of a learned chain evenly spaced in t."""
    num_steps = model.num_steps
    is_fixed = isinstance(model.schedule, schedules.Schedule)
    make = grids.by_log_snr if is_fixed or num_steps == CONTINUOUS else grids.uniform
    return make(log_snr, num_steps, min(NUM_POINTS, num_steps or NUM_POINTS))


def _saved(file: epath.Path, settings: dict[str, Any]) -> analytic.Table | None:
    """The table of these settings, if it is there and whole."""
    try:
        found = json.loads(file.read_text())
        if found["settings"] != json.loads(json.dumps(settings)):
            return None
        return analytic.Table(*(np.asarray(found[n]) for n in analytic.Table._fields))
    except (OSError, ValueError, KeyError, TypeError):
        return None
