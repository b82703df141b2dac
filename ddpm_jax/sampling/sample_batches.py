"""Samples by number, a batch at a time, from one compiled program."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int, UInt8
from ml_collections import ConfigDict as Config

from ddpm_jax.core import progress, sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.diffusion.samplers import ancestral
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.sampling import guides, rollout, tasks
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.tasks import Task


class Batch(NamedTuple):
    """Of samples that follow each other.

    Attributes:
      pixels: as values 0..V-1.
      labels: the class each was drawn for; -1: none.
      num_evaluations: of the network.
      film: x_hat and z on the way, as pixel values, if frames were asked for.
    """

    pixels: UInt8[np.ndarray, "batch height width channels"]
    labels: Int[np.ndarray, " batch"]
    num_evaluations: Int[np.ndarray, " batch"]
    film: tuple[np.ndarray, np.ndarray] | None


class NotArrivedError(ConfigError):
    """An ODE's solver needs more steps than it may take."""


def of_few(config: Config, num_samples: int) -> Config:
    """The config with batches just large enough for so many, as many on every device."""
    num_devices = jax.device_count()
    few = config.copy_and_resolve_references()
    with few.unlocked():
        few.sample.batch_size = -(-num_samples // num_devices) * num_devices
    return few


class Batches:
    """Draws what config.sample says, config.sample.batch_size samples at a time.

    Args:
      config: of the run.
      mesh: the devices.
      model: what the parameters bind.
      guide: how the parameters are bound; None: by one that asks no other model.
      task: what samples are made from; None: from noise alone.
      log_variance: as `ways.make` takes it.
      num_frames: of the film of a batch; 0: none.
    """

    def __init__(
        self,
        config: Config,
        mesh: Mesh,
        model: Denoiser,
        guide: Guide | None = None,
        task: Task | None = None,
        log_variance: ancestral.LogVariance | None = None,
        num_frames: int = 0,
    ) -> None:
        task = task or tasks.without_files(config)
        draw = rollout.make(config, model, task, log_variance, num_frames)
        roots = [stream_key(config.seed, s) for s in (Stream.SAMPLE, Stream.SAMPLE_END)]
        guide = guide or guides.alone(config, model)
        labels_of = guides.labels(config, guide)
        self._asked = guide.params
        self._mesh, self._size = mesh, config.sample.batch_size
        self._max_steps = config.sample.ode.max_steps
        self._bar: progress.Bar | None = None

        def batch_of(params: Any, batch: Any) -> Any:
            own, asked = params
            keys, end_keys = (example_keys(root, batch["index"]) for root in roots)
            labels = labels_of(batch["index"])
            diffusion = guide.bind(own, asked, labels)
            drawn = draw(diffusion, keys, end_keys, self._tell, batch["index"])
            frames = None
            if drawn.film is not None:
                x_hat, z = drawn.film.x_hat, drawn.film.z
                # The frames' axis goes through the pixel_decoder as part of the batch.
                frames = tuple(
                    jax.vmap(model.pixel_decoder.decode)(a) for a in (x_hat, z)
                )
            found = drawn.pixels, labels, drawn.num_evaluations, frames
            return drawn.converged, found

        self._compiled = sharding.compile_for_batch(mesh, batch_of)

    def draw(self, params: Any, first: int, bar: progress.Bar | None = None) -> Batch:
        """The samples first, first + 1, ...; how far they are is told to the bar.

        Raises:
          NotArrivedError: an ODE's solver did not reach z_0.
        """
        num_local = self._size // jax.process_count()
        begin = first + jax.process_index() * num_local
        index = np.arange(begin, begin + num_local, dtype=np.int32)
        self._bar = bar
        batch = sharding.put_batch(self._mesh, {"index": index})
        converged, found = jax.device_get(self._compiled((params, self._asked), batch))
        if missed := np.sum(~converged):
            raise NotArrivedError(
                f"config.sample.ode.max_steps = {self._max_steps}: {missed} of the"
                f" {self._size} samples from number {first} on need more; write more, or"
                " larger tolerances."
            )
        return Batch(*found)

    def _tell(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.inner(done, total)


def each(
    config: Config, batches: Batches, params: Any, done: int
) -> Iterator[tuple[int, Batch]]:
    """(number of its first, samples) of each batch, from the one that holds sample `done` on.

    Batches start where they would if none were done: the same program computes the same
    sample.

    Raises:
      NotArrivedError: an ODE's solver did not reach z_0.
    """
    c = config.sample
    begin = done // c.batch_size * c.batch_size
    bar = progress.Bar("sampling", c.num_samples, initial=min(done, c.num_samples))
    with bar:
        for start in range(begin, c.num_samples, c.batch_size):
            drawn = batches.draw(params, start, bar)
            yield start, drawn
            reached = min(start + c.batch_size, c.num_samples)
            bar.update(reached - max(start, done))
