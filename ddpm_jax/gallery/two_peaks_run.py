"""The run behind the figure of two peaks: trained, sampled and evaluated by the framework."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Float
from ml_collections import ConfigDict as Config

from ddpm_jax import check
from ddpm_jax.config import schema
from ddpm_jax.core import errors
from ddpm_jax.diffusion.likelihood import flow_bound
from ddpm_jax.diffusion.likelihood.dequantization import DEQUANTIZATIONS
from ddpm_jax.evaluation import estimators, likelihood
from ddpm_jax.models import build
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.runs import restore, workdir
from ddpm_jax.sampling import sample_batches
from ddpm_jax.train import run as train
from ddpm_jax.training import checkpoints

Numbers = Float[np.ndarray, " numbers"]
BOUND, FLOW = "stratified", "ode"


class Samples(NamedTuple):
    """Samples of the model, with their trajectories.

    Attributes:
      last: the samples, in the data's units.
      t: times of the frames, from 1 to 0.
      frames: latents at these times, [frames, samples], in the data's units.
    """

    last: Numbers
    t: Numbers
    frames: Float[np.ndarray, "frames samples"]


def config(num_steps: int, seed: int) -> Config:
    """The config of the run: 800 points of two peaks, a chain of T = 1000, a small network.

    Args:
      num_steps: of training.
      seed: of the run.
    """
    c = schema.default()
    c.seed = seed
    c.prediction = "v"
    c.reverse_variance = "learned"
    c.data.update(name="points:two_peaks", batch_size=128, num_threads=1)
    c.data.points.update(num_train=800, num_test=2_000)
    c.schedule.update(name="cosine", num_steps=1000)
    c.decoder.update(name="gaussian", mean="x_hat")
    c.decoder.gaussian.scale = 2.0
    c.model.name = "mlp"
    c.model.mlp.update(features=64, num_blocks=2)
    c.optimizer.update(
        name="adamw",
        learning_rate=2e-3,
        warmup_steps=100,
        decay="cosine",
        weight_decay=0.01,
    )
    c.ema.decay = 0.99
    c.training.update(
        num_steps=num_steps,
        log_every=min(num_steps, 500),
        eval_every=0,
        sample_every=0,
        checkpoint_every=num_steps,
    )
    c.eval.update(
        estimators=f"{BOUND},{FLOW}",
        num_draws=128,
        pilot_examples=256,
        batch_size=500,
        clip=False,
    )
    c.eval.ode.update(dequantization="none", divergence="exact")
    c.sample.update(num_steps=1000, threshold="none")
    return c


def trained(wanted: Config, folder: epath.Path) -> Restored[Denoiser]:
    """The model of a run in a folder, which is trained first unless it is there.

    Raises:
      ConfigError: the folder holds another run.
      KeyboardInterrupt: a signal stopped the training, after a checkpoint.
    """
    with errors.as_config_errors():
        check.for_training(wanted, jax.device_count())
    workdir.check_if_begun(folder, wanted)
    if not _is_done(wanted, folder) and train(wanted, folder):
        raise KeyboardInterrupt
    return restore.load(wanted, folder, step=-1, weights="ema")


def _is_done(wanted: Config, folder: epath.Path) -> bool:
    """Whether the folder has the checkpoint of the last step."""
    if not (folder / checkpoints.FOLDER).exists():
        return False
    steps = checkpoints.Checkpoints(folder, read_only=True).steps()
    return wanted.training.num_steps in steps


def points(of: Config, split: str) -> Numbers:
    """The points of a split, in the data's units."""
    source = build.source(of, split)
    return np.array([source[i]["image"].item() for i in range(len(source))])


def samples(
    restored: Restored[Denoiser], num_samples: int, num_frames: int, batch_size: int
) -> Samples:
    """Samples by the run's sampler, and frames of their trajectories."""
    changed = sample_batches.with_small_batch(restored.config, batch_size)
    batches = sample_batches.Batches(
        changed, restored.mesh, restored.model, num_frames=num_frames
    )
    starts = range(0, num_samples, changed.sample.batch_size)
    drawn = [batches.draw(restored.params, start) for start in starts]
    frames = [batch.film[1] for batch in drawn if batch.film is not None]
    return Samples(
        np.concatenate([batch.pixels.ravel() for batch in drawn])[:num_samples],
        np.linspace(1.0, 0.0, num_frames),
        np.concatenate([one.reshape(num_frames, -1) for one in frames], axis=1)[
            :, :num_samples
        ],
    )


def log_snrs(restored: Restored[Denoiser], t: Numbers) -> Numbers:
    """The schedule's log SNR at some times."""
    diffusion = restored.model.bind(restored.params)
    return np.asarray(diffusion.log_snr(jnp.asarray(t, jnp.float32)), np.float64)


def log_density(restored: Restored[Denoiser], x: Numbers) -> Numbers:
    """log p of numbers by the probability flow of the model, nats in the data's units."""
    options: Any = estimators.chosen(restored.config, FLOW).options
    diffusion = restored.model.bind(restored.params)
    keys = jax.random.split(jax.random.key(0), len(x))

    @jax.jit
    def total(pixels: Any, keys: Any) -> Any:
        return flow_bound.by_flow(
            *(diffusion, restored.model.pixel_decoder, pixels, keys),
            restored.config.schedule.num_steps,
            dequantization=DEQUANTIZATIONS[options.dequantization].default(),
            divergence=options.found_by,
            solve=options.solve,
        ).terms.total

    pixels = jnp.asarray(x, jnp.float32)[:, None, None, None]
    return -np.asarray(total(pixels, keys), np.float64)


def likelihoods(
    restored: Restored[Denoiser], num_examples: int
) -> Mapping[str, tuple[float, float]]:
    """-log p of test points in nats by each estimator, with its error over points."""
    num_devices = jax.device_count()
    changed = restored.config.copy_and_resolve_references()
    with changed.unlocked():
        changed.eval.num_examples = num_examples
        # Whole batches divide over the devices.
        changed.eval.batch_size = -(-num_examples // num_devices) * num_devices
    results = {}
    for name in (BOUND, FLOW):
        evaluator = likelihood.make_evaluator(
            changed, restored.mesh, restored.model, restored.source, name
        )
        figures = evaluator.report(evaluator.rows(restored.params), restored.step)
        nats = [
            figures[key] * np.log(2.0)
            for key in ("bits_per_dim", "bits_per_dim_stderr_images")
        ]
        results[name] = (float(nats[0]), float(nats[1]))
    return results
