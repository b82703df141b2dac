"""Draw samples from a model.

Sample j is a function of (seed, j) and the weights: how many are drawn at a time, and on how
many devices, does not change it.
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from absl import logging
from etils import epath
from jaxtyping import UInt8

from ddpm_jax import (
    contrast,
    film,
    guides,
    pictures,
    sample_checks,
    samplers,
    shards,
    tasks,
    trained,
    variance,
    workdir,
)
from ddpm_jax.binding import Model
from ddpm_jax.config import Config, ConfigError, default, flat
from ddpm_jax.diffusion.samplers import grids
from ddpm_jax.drawing import Batch, Batches
from ddpm_jax.guides import Guide
from ddpm_jax.tasks import Task
from ddpm_jax.trained import Trained
from ddpm_jax.training import files, parallel, progress
from ddpm_jax.training.checkpoints import fingerprint

Images = UInt8[np.ndarray, "samples height width channels"]
FOLDER = "samples"
# Of config.sample, what a sample does not depend on.
NOT_OF_THE_SAMPLES = (
    "num_samples",
    "batch_size",
    "folder",
    "format",
    "shard_size",
    "step",
    "film",
    "contrast",
)
# How many of them a grid shows.
GRID = 64


def first(config: Config, batches: Batches, params: Any) -> Images:
    """The first config.sample.num_samples images, as pixel values."""
    parts = [batch.pixels for _, batch in each(config, batches, params, 0)]
    return np.concatenate(parts)[: config.sample.num_samples]


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


def picture_path(path: epath.Path, step: int) -> epath.Path:
    return path / FOLDER / f"{step}.png"


def write(
    path: epath.Path, step: int, pixels: Images, num_values: int
) -> UInt8[np.ndarray, "grid_height grid_width channels"]:
    """Writes samples/<step>.npz and a grid as .png; returns the grid."""
    picture = pictures.grid(pictures.to_uint8(pixels, num_values))
    if jax.process_index() == 0:
        png = picture_path(path, step)
        png.parent.mkdir(parents=True, exist_ok=True)
        arrays = shards.to_npz(pixels, num_values)
        files.replace_bytes(png.with_suffix(".npz"), arrays)
        files.replace_bytes(png, pictures.png(picture))
    return picture


def run(config: Config, directory: epath.PathLike) -> None:
    """`--mode=sample`: from a checkpoint to a folder of samples, and pictures beside it."""
    c = config.sample
    for field in idle(config):
        logging.warning("%s is of no effect on this sampler", field)
    t = trained.load(config, directory, step=c.step, weights=c.weights)
    name = f"{t.step}_{samplers.name(config)}"
    folder = files.absolute(c.folder) if c.folder else t.path / FOLDER / name
    _make_parent(config, folder)
    guide = guides.of(config, t)
    guides.labels(config, guide)  # Classes that do not exist are told before a file is.
    num_values = t.model.codec.num_values
    task = tasks.of(config, t.model.shape, num_values)
    store = shards.Shards(
        folder,
        _identity(config, t, guide, task),
        num_samples=c.num_samples,
        shape=t.model.shape,
        num_values=num_values,
        shard_size=c.shard_size,
        form=c.format,
        is_writer=jax.process_index() == 0,
    )
    done = parallel.agreed(store.begin())
    log_variance = None
    if done < c.num_samples or c.film.num_frames:
        log_variance = variance.of(config, t, guide)
    asked = []
    if done < c.num_samples:
        logging.info("compiling the sampler ...")
        batches = Batches(config, t.mesh, t.model, guide, task, log_variance)
        for start, batch in each(config, batches, t.params, done):
            store.add(start, batch.pixels)
            asked.append(batch.num_evaluations)
    drawn: dict[str, bytes] = {}
    if c.film.num_frames:
        drawn |= film.draw(config, t, guide, task, log_variance)
    if c.contrast.samplers:
        drawn |= contrast.draw(config, t, guide, task)
    if jax.process_index() != 0:
        return
    shown = pictures.to_uint8(store.read(min(c.num_samples, GRID)), num_values)
    grid = pictures.grid(shown)
    if task.shown:
        before = [image[None] for image in task.shown.values()]
        columns = [*task.shown, "after"]
        edit = pictures.comparison({c.task: [*before, shown]}, columns)
        drawn["edit.png"] = pictures.png(edit)
    picture = folder.with_name(f"{folder.name}.png")
    workdir.write(picture, pictures.png(grid))
    print(f"step {t.step}: {c.num_samples} samples in {folder}")
    print(f"the first of them: {picture}")
    if asked:
        print(f"evaluations of the network, a sample: {np.mean(asked):.4g}")
    for suffix, data in drawn.items():
        file = folder.with_name(f"{folder.name}_{suffix}")
        workdir.write(file, data)
        print(f"{suffix.partition('.')[0]}: {file}")


def idle(config: Config) -> list[str]:
    """Options that were changed, of choices that were not made."""
    c = config.sample
    apart = {*samplers.SAMPLERS, *grids.GRIDS, *samplers.THRESHOLDS}
    apart |= {*sample_checks.GUIDANCE, *tasks.TASKS}
    apart -= {c.sampler, c.spacing, c.threshold, c.guidance, c.task}
    known, given = flat(default().sample), flat(c)
    return [
        f"config.sample.{field} = {value!r}"
        for field, value in given.items()
        if field.partition(".")[0] in apart and value != known[field]
    ]


def _make_parent(config: Config, folder: epath.Path) -> None:
    """The folder's own folder; a named one must not lie beside pictures of someone else."""
    named = config.sample.folder
    try:
        workdir.make_folder(folder.parent)
    except ConfigError as error:
        raise ConfigError(
            f"config.sample.folder = {named!r}: {error}" if named else str(error)
        ) from error
    if named and not (folder / shards.RECORD).exists():
        for file in folder.parent.glob(f"{folder.name}*"):
            own = ("", "_film", "_contrast", "_edit", "_scales")
            if file.name != folder.name and file.stem in {folder.name + o for o in own}:
                raise ConfigError(
                    f"config.sample.folder = {named!r}: {file} is there already, where a"
                    " picture of these samples would go; write another folder."
                )


def _identity(
    config: Config, t: Trained[Model], guide: Guide, task: Task
) -> dict[str, Any]:
    """All that a sample depends on beside its number."""
    c = config.sample
    kept = {k: v for k, v in c.items() if k not in NOT_OF_THE_SAMPLES}
    groups = {c.sampler, c.spacing, c.threshold, c.guidance, c.task}
    # Options of choices that were not made are of no effect.
    used = flat(
        {k: v for k, v in kept.items() if not isinstance(v, Config) or k in groups}
    )
    # Of files, what they hold.
    idle_here = {f.removeprefix("config.sample.") for f in tasks.files(config)}
    if c.sampler == samplers.ODE:
        # It has no grid, and more steps change no sample that arrives.
        idle_here |= {"ode.max_steps", "num_steps", "spacing"}
        idle_here |= {field for field in used if field.startswith(f"{c.spacing}.")}
    if c.spacing == "explicit":
        idle_here.add("num_steps")
    if c.ancestral.variance != samplers.ANALYTIC:
        idle_here.add("ancestral.num_examples")
    used = {field: value for field, value in used.items() if field not in idle_here}
    if task.last is not None:
        # Where between two images a sample lies depends on how many there are.
        used["num_samples"] = c.num_samples
    return {
        "step": t.step,
        "arrays": fingerprint(t.params),
        **guides.identity(config, guide),
        **task.identity,
        "config.seed": config.seed,
        **{f"config.sample.{k}": v for k, v in used.items()},
    }
