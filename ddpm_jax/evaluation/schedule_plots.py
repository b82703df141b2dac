"""Pictures of what a run learns beside its network: the schedule, and where the loss is."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.core import files, sharding
from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.diffusion.objectives import snr_history
from ddpm_jax.diffusion.process import schedules
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.pictures import encoding, plots
from ddpm_jax.training.state import Params

FOLDER = "plots"
NUM_POINTS = 201


def draw(
    config: Config, mesh: Mesh, model: Denoiser, params: Params, time_history: Any
) -> dict[str, plots.Picture]:
    """The pictures of a run by name: its learned schedule, and its loss in continuous time.

    Args:
      config: config of the run.
      mesh: the devices that hold the parameters; every host must call.
      model: the denoiser.
      params: parameters with the schedule.
      time_history: history of losses in the train state, on the host.
    """
    drawn = {}
    if not isinstance(model.schedule, schedules.Schedule):
        drawn["schedule"] = _schedule(config, mesh, model, params)
    if isinstance(time_history, snr_history.SnrHistory):
        picture = _loss(time_history)
        drawn |= {} if picture is None else {"loss": picture}
    return drawn


def write(path: epath.Path, step: int, drawn: Mapping[str, plots.Picture]) -> None:
    """Writes plots/<step>_<name>.png."""
    if jax.process_index() != 0:
        return
    for name, picture in drawn.items():
        file = path / FOLDER / f"{step}_{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        files.replace_bytes(file, encoding.png(picture))


def _schedule(
    config: Config, mesh: Mesh, model: Denoiser, params: Params
) -> plots.Picture:
    """The learned log SNR against its start, and the fixed ones with the same ends."""
    t = np.linspace(0.0, 1.0, NUM_POINTS, dtype=np.float32)
    start = model.init_schedule(stream_key(config.seed, Stream.INIT))
    # Its parameters may be cut over the devices of several hosts.
    curve = sharding.compile_for_batch(mesh, lambda p, t: model.log_snr(p)(t))
    schedule_params = {
        name: part for name, part in params.items() if name == "schedule"
    }
    learned = np.asarray(curve(schedule_params, t))
    high, low = float(learned[0]), float(learned[-1])
    curves = {
        "at the start": model.log_snr(start)(jnp.asarray(t)),
        "straight line": schedules.linear_log_snr(low, high).log_snr(jnp.asarray(t)),
        "cosine": schedules.cosine(low, high).log_snr(jnp.asarray(t)),
        "learned": learned,
    }
    as_arrays = {name: np.asarray(curve) for name, curve in curves.items()}
    return plots.log_snr(t, as_arrays, learned="learned")


def _loss(history: snr_history.SnrHistory) -> plots.Picture | None:
    mean, std = map(np.asarray, snr_history.moments(history))
    num = np.asarray(history.num)
    has_losses = num >= snr_history.LEAST_COUNT
    if np.sum(has_losses) < 2:
        return None
    edges = np.asarray(history.edges)
    centre = 0.5 * (edges[1:] + edges[:-1])
    # Decaying weights w at an even rate: (sum w)^2 / sum w^2 = (1 + decay) sum w.
    stderr = std / np.sqrt(np.maximum(num, 1e-9) * (1.0 + snr_history.DECAY))
    return plots.loss_by_log_snr(
        centre[has_losses],
        mean[has_losses],
        stderr[has_losses],
        std[has_losses],
        "the last losses",
    )
