"""Batches of samples by their numbers, from one compiled program."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int
from ml_collections import ConfigDict as Config

from ddpm_jax.core import progress, sharding
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.core.randomness import Stream, example_keys, stream_key
from ddpm_jax.data.source import Images
from ddpm_jax.diffusion.samplers import ancestral
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.sampling import guides, numbering, rollout, tasks
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.tasks import Task


class Batch(NamedTuple):
    """A batch of samples with consecutive numbers.

    Attributes:
      pixels: pixel values 0..V-1, or real numbers.
      labels: class of each sample; -1: none.
      num_evaluations: evaluations of the network for each sample.
      film: x_hat and z along the trajectory, as pixel values, if frames are kept.
    """

    pixels: Images
    labels: Int[np.ndarray, " batch"]
    num_evaluations: Int[np.ndarray, " batch"]
    film: tuple[np.ndarray, np.ndarray] | None


class NotConvergedError(ConfigError):
    """The error of an ODE's solver that needs more steps than it may take."""


def with_small_batch(config: Config, num_samples: int) -> Config:
    """The config with the smallest batch that holds so many samples, equal on all devices."""
    num_devices = jax.device_count()
    few = config.copy_and_resolve_references()
    with few.unlocked():
        few.sample.batch_size = -(-num_samples // num_devices) * num_devices
    return few


class Batches:
    """The compiled sampler of config.sample, which draws a batch at a time.

    Args:
      config: the run's config.
      mesh: the devices.
      model: the denoiser.
      guide: the guidance; None: that of the config, which needs no other model then.
      task: the images and constraints of a task; None: noise alone.
      log_variance: as in `rollout.make`.
      num_frames: frames of the film of a batch; 0: none.
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
        seed = numbering.seed_of(config)
        roots = [stream_key(seed, s) for s in (Stream.SAMPLE, Stream.SAMPLE_END)]
        guide = guide or guides.alone(config, model)
        labels_of = guides.labels(config, guide)
        self._other_params = guide.params
        self._mesh, self._size = mesh, config.sample.batch_size
        self._max_steps = config.sample.ode.max_steps
        self._bar: progress.Bar | None = None

        def batch_of(params: Any, batch: Any) -> Any:
            model_params, other_params = params
            keys, end_keys = (example_keys(root, batch["index"]) for root in roots)
            labels = labels_of(batch["index"])
            diffusion = guide.bind(model_params, other_params, labels)
            samples = draw(diffusion, keys, end_keys, self._report, batch["index"])
            frames = None
            if samples.film is not None:
                x_hat, z = samples.film.x_hat, samples.film.z
                # The frames' axis goes through the pixel_decoder as part of the batch.
                frames = tuple(
                    jax.vmap(model.pixel_decoder.decode)(a) for a in (x_hat, z)
                )
            results = samples.pixels, labels, samples.num_evaluations, frames
            return samples.converged, results

        self._compiled = sharding.compile_for_batch(mesh, batch_of)

    def draw(self, params: Any, first: int, bar: progress.Bar | None = None) -> Batch:
        """Draws the samples first, first + 1, ...; the bar shows the progress.

        Raises:
          NotConvergedError: an ODE's solver did not reach z_0.
        """
        num_local = self._size // jax.process_count()
        begin = first + jax.process_index() * num_local
        # Padding behind the largest number wraps.
        index = np.arange(begin, begin + num_local).astype(np.int32)
        self._bar = bar
        batch = sharding.put_batch(self._mesh, {"index": index})
        converged, results = jax.device_get(
            self._compiled((params, self._other_params), batch)
        )
        if missed := np.sum(~converged):
            raise NotConvergedError(
                f"config.sample.ode.max_steps = {self._max_steps}: {missed} of the"
                f" {self._size} samples from number {first} on need more; write more, or"
                " larger tolerances."
            )
        return Batch(*results)

    def _report(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.inner(done, total)


def remaining(
    config: Config, batches: Batches, params: Any, done: int
) -> Iterator[tuple[int, Batch]]:
    """Draws (number of the first, batch) from the batch that holds sample `done` on.

    It ends with the last sample of config.sample. Batches start at the same numbers however
    many samples are done, and whichever is the first, so that the same program computes the
    same sample.

    Raises:
      NotConvergedError: an ODE's solver did not reach z_0.
    """
    c, end = config.sample, numbering.end_of(config)
    begin = done // c.batch_size * c.batch_size
    bar = progress.Bar("sampling", c.num_samples, initial=min(done, end) - c.first)
    with bar:
        for start in range(begin, end, c.batch_size):
            samples = batches.draw(params, start, bar)
            yield start, samples
            reached = min(start + c.batch_size, end)
            bar.update(reached - max(start, done))


def drawn(config: Config, batches: Batches, params: Any) -> Images:
    """The samples of config.sample as pixel values, all at once.

    Raises:
      NotConvergedError: an ODE's solver did not reach z_0.
    """
    first = config.sample.first
    parts = list(remaining(config, batches, params, first))
    start = parts[0][0]
    pixels = np.concatenate([batch.pixels for _, batch in parts])
    return pixels[first - start :][: config.sample.num_samples]
