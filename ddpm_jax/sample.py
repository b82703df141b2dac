"""Sample from a model, by `--mode=sample`.

Sample j is a function of (seed, j) and the weights: the batch size and the devices do not
change it.
"""

import jax
import numpy as np
from absl import logging
from etils import epath
from jaxtyping import UInt8
from ml_collections import ConfigDict as Config

from ddpm_jax.config.schema import default
from ddpm_jax.core import files, folders, paths, sharding
from ddpm_jax.core.errors import ConfigError, flat
from ddpm_jax.data.run_data import RunData
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.pictures import encoding, grids
from ddpm_jax.runs import restore
from ddpm_jax.sampling import (
    analytic_variance,
    comparison,
    drawings,
    guides,
    identity,
    numbering,
    sample_batches,
    samplers,
    shards,
    tasks,
    trajectory,
)
from ddpm_jax.sampling.guides import GUIDES
from ddpm_jax.sampling.sample_batches import Batches
from ddpm_jax.sampling.tasks import TASKS

Images = UInt8[np.ndarray, "samples height width channels"]
FOLDER = "samples"


def run(config: Config, directory: epath.PathLike) -> None:
    """Draws samples from a checkpoint into a folder, with pictures beside it."""
    c = config.sample
    for field in options_without_effect(config):
        logging.warning("%s is of no effect on this sampler", field)
    restored = restore.load(config, directory, step=c.step, weights=c.weights)
    config = restored.config
    name = f"{restored.step}_{samplers.name(config)}{numbering.label(config)}"
    folder = restored.path / FOLDER / name
    if c.folder:
        field = f"config.sample.folder = {c.folder!r}"
        folder = files.absolute(paths.expanded(c.folder, field))
    _make_parent(config, folder)
    guide = guides.of(config, restored)
    guides.labels(config, guide)  # Wrong classes are reported before files are read.
    _tell_classes(config, restored.data)
    num_values = restored.model.pixel_decoder.num_values
    task = tasks.of(config, restored.model.shape, num_values)
    store = shards.Shards(
        folder,
        identity.of(config, restored, guide, task),
        num_samples=c.num_samples,
        first=c.first,
        shape=restored.model.shape,
        num_values=num_values,
        shard_size=c.shard_size,
        form=c.format,
        is_writer=jax.process_index() == 0,
    )
    done = sharding.from_process_0(store.begin())
    log_variance = None
    is_done = done >= numbering.end_of(config)
    if not is_done or c.film.num_frames:
        log_variance = analytic_variance.of(config, restored, guide)
    evaluations = []
    if not is_done:
        logging.info("compiling the sampler ...")
        batches = Batches(
            config, restored.mesh, restored.model, guide, task, log_variance
        )
        for start, batch in sample_batches.remaining(
            config, batches, restored.params, done
        ):
            store.add(start, batch.pixels)
            evaluations.append(batch.num_evaluations)
    pictures: dict[str, bytes] = {}
    if c.film.num_frames:
        pictures |= trajectory.draw(config, restored, guide, task, log_variance)
    if c.contrast.samplers:
        pictures |= comparison.draw(config, restored, guide, task)
    if jax.process_index() != 0:
        return
    period = guides.num_in_turn(config)
    drawing = drawings.of_run(restored.data, config.data.train_split)
    # In whole rows where they are of classes in turn.
    most = drawing.most_alone // period * period or drawing.most_alone
    num_shown = min(c.num_samples, most)
    drawn = store.read(num_shown)
    grid = drawing.grid(drawn, period)
    if task.shown:
        shown = encoding.to_uint8(drawn, num_values)
        before = [image[None] for image in task.shown.values()]
        columns = [*task.shown, "after"]
        edit = grids.comparison({c.task: [*before, shown]}, columns)
        pictures["edit.png"] = encoding.png(edit)
    picture = folder.with_name(f"{folder.name}.png")
    files.write(picture, encoding.png(grid))
    print(f"step {restored.step}: {c.num_samples} samples in {folder}")
    which = "all" if num_shown == c.num_samples else f"the first {num_shown}"
    print(f"a picture of {which}: {picture}")
    if evaluations:
        print(f"evaluations of the network, a sample: {np.mean(evaluations):.4g}")
    for suffix, data in pictures.items():
        file = folder.with_name(f"{folder.name}_{suffix}")
        files.write(file, data)
        print(f"{suffix.partition('.')[0]}: {file}")


def _tell_classes(config: Config, data: RunData) -> None:
    """Logs the names that listed classes had in training, where they have any."""
    names = dict(enumerate(data.class_names))
    listed = [label for label in dict.fromkeys(config.sample.classes) if label in names]
    if any(names[label] != str(label) for label in listed):
        said = ", ".join(f"{label} {names[label]!r}" for label in listed)
        logging.info("classes in turn: %s", said)


def _make_parent(config: Config, folder: epath.Path) -> None:
    """Creates the parent folder; refuses a named folder beside pictures of other samples."""
    named = config.sample.folder
    try:
        folders.make_folder(folder.parent, "config.sample.folder")
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


def options_without_effect(config: Config) -> list[str]:
    """The options that a config changes of choices that it does not name."""
    c = config.sample
    chosen = {c.sampler, c.spacing, c.threshold, c.guidance, c.task}
    apart = {*SAMPLERS, *TIME_GRIDS, *THRESHOLDS, *GUIDES, *TASKS} - chosen
    known, given = flat(default().sample), flat(c)
    return [
        f"config.sample.{field} = {value!r}"
        for field, value in given.items()
        if field.partition(".")[0] in apart and value != known[field]
    ]
