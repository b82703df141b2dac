"""Models restored from workdirs, for evaluation, for sampling and for other runs."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterator
from typing import Generic

from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict as Config

from ddpm_jax.config import changes
from ddpm_jax.config import files as config_files
from ddpm_jax.core import paths
from ddpm_jax.core.errors import ConfigError, as_config_errors, flat
from ddpm_jax.data.run_data import RunData
from ddpm_jax.data.source import Described
from ddpm_jax.models import build
from ddpm_jax.models.classifier import ClassifierModel
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Bound, OtherRuns, Restored
from ddpm_jax.runs import data_record, plugin_record, same_data, workdir
from ddpm_jax.training.checkpoints import Checkpoints
from ddpm_jax.training.state import TrainState


@dataclasses.dataclass(frozen=True)
class Checkpoint(Generic[Bound]):
    """A checkpoint with what its arrays mean.

    Attributes:
      path: the run's workdir.
      mesh: the devices.
      data: the run's data.
      model: the denoiser or classifier, without parameters.
      step: step of the checkpoint.
      state: the state, of global arrays.
      config: config of the run.
    """

    path: epath.Path
    mesh: Mesh
    data: RunData
    model: Bound
    step: int
    state: TrainState
    config: Config


def load(
    config: Config, directory: epath.PathLike, *, step: int, weights: str
) -> Restored[Denoiser]:
    """Restores a denoiser from a checkpoint, without a change to a run that may be training.

    Args:
      config: the config given; what of the run's own takes its place, `changes.for_mode` says.
      directory: the run's workdir.
      step: step of the checkpoint; -1: the newest whole one.
      weights: one of `build.weight_names`.

    Raises:
      ConfigError: the workdir is of another model, or has no such checkpoint, or the data are
        none that its model can take.
    """
    return _load(config, directory, build.model, step, weights)


def load_classifier(
    config: Config, directory: epath.PathLike, *, step: int, weights: str
) -> Restored[ClassifierModel]:
    """Restores a classifier from a checkpoint; arguments and errors are those of `load`."""
    return _load(config, directory, build.classifier_model, step, weights)


def _load(
    config: Config,
    directory: epath.PathLike,
    make: Callable[[Config, Described], Bound],
    step: int,
    weights: str,
) -> Restored[Bound]:
    path = paths.expanded(directory, f"--workdir={directory}")
    config = workdir.config_for_mode(path, config)
    known = build.weight_names(config)
    if weights not in known:
        raise ConfigError(f"its weights {weights!r} are none of {', '.join(known)}.")
    found = checkpoint(config, path, make, step)
    params = build.weights(config, found.state, weights)
    return Restored(
        *(path, found.mesh, found.data, found.model, found.step, params, config),
        OTHERS,
    )


def checkpoint(
    config: Config,
    directory: epath.PathLike,
    make: Callable[[Config, Described], Bound],
    step: int,
) -> Checkpoint[Bound]:
    """Restores the whole state of a checkpoint.

    Args:
      config: the run's config.
      directory: its workdir.
      make: makes its model, of its config and data.
      step: step of the checkpoint; -1: the newest whole one.

    Raises:
      ConfigError: there is no such checkpoint, or the data are none that its model can take.
    """
    path = paths.expanded(directory, f"--workdir={directory}")
    mesh = build.mesh(config)
    data = data_record.data_of(
        *(path, config),
        is_given=bool(changes.other_data(config, flat(workdir.config_of(path)))),
        moved=functools.partial(workdir.follow_data, path),
    )
    model = make(config, data)
    if not data_record.is_there(path):
        _check_fits(path, config, data)
    abstract = build.training(config, mesh, model).abstract
    with as_config_errors():
        checkpoints = Checkpoints(path, read_only=True)
        if step >= 0:
            found = step, checkpoints.restore(step, abstract)
        elif (newest := checkpoints.restore_newest(abstract)) is not None:
            found = newest
        else:
            raise ConfigError(
                f"--workdir={path} holds no checkpoint: train there first, with"
                " --mode=train."
            )
    return Checkpoint(path, mesh, data, model, *found, config)


def _check_fits(path: epath.Path, config: Config, data: Described) -> None:
    """Raises ConfigError unless a run's model can be used on the data that is given.

    For a run that has no record of its data, which are opened for this.
    """
    theirs = workdir.config_of(path)
    changed = changes.other_data(config, flat(theirs))
    if not changed:
        return
    trained_on = build.source(theirs, theirs.data.eval_split)
    needs_classes = config.model.class_conditional or build.is_classifier(config)
    pairs = {
        "shape": (data.shape, trained_on.shape),
        "number of pixel values": (data.num_values, trained_on.num_values),
        "number of classes": (data.num_classes, trained_on.num_classes),
    }
    if not needs_classes:
        del pairs["number of classes"]
    for what, (here, there) in pairs.items():
        if here != there:
            field, change = next(iter(changed.items()))
            raise ConfigError(
                f"{change.of(field)}: the model of --workdir={path} is of images of the"
                f" {what} {there}, and these have {here}."
            )


def config_of(field: str, directory: epath.PathLike, ours: Config) -> Config:
    """Reads the config of another run, whose arrays will be put onto this run's devices.

    Args:
      field: the field that names the run, for messages.
      directory: the other run's workdir.
      ours: this run's config.

    Raises:
      ConfigError: it is not the workdir of a run.
    """
    path = paths.expanded(directory, field)
    file = path / workdir.CONFIG
    if not file.exists():
        raise ConfigError(f"{field} holds no {workdir.CONFIG}: write a run's workdir.")
    plugin_record.require(path, field)
    try:
        theirs = config_files.from_values(flat(json.loads(file.read_text())))
        theirs.parallel = ours.parallel
        build.weight_names(theirs)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{field} is not a workdir of this program: its {workdir.CONFIG} cannot be used"
            f" ({error})."
        ) from error
    return theirs


def _recorded(directory: epath.PathLike, config: Config) -> RunData | None:
    """The data of another run, if it has recorded them."""
    path = paths.expanded(directory, str(directory))
    return data_record.data_of(path, config) if data_record.is_there(path) else None


def other_classifier(
    field: str,
    directory: epath.PathLike,
    ours: Config,
    data: Described,
    *,
    step: int,
    weights: str,
) -> Restored[ClassifierModel]:
    """Restores another run's classifier, trained on this run's data.

    Args:
      field: the field that names the run, for messages.
      directory: the other run's workdir.
      ours: this run's config.
      data: this run's data.
      step: step of the checkpoint; -1: the newest whole one.
      weights: one of `build.weight_names`.

    Raises:
      ConfigError: it is not there, is no classifier, or is of other data or classes.
    """
    theirs = config_of(field, directory, ours)
    same_data.check(field, ours, theirs, data, _recorded(directory, theirs))
    if not build.is_classifier(theirs):
        raise ConfigError(
            f"{field} is of config.model.name = {theirs.model.name!r}: write the workdir of"
            " a classifier."
        )
    with errors_about(field):
        found = load_classifier(theirs, directory, step=step, weights=weights)
    if found.model.num_classes != data.num_classes:
        raise ConfigError(
            f"{field} tells {found.model.num_classes} classes apart, and"
            f" {data.name!r} has {data.num_classes}."
        )
    same_data.check_classes(field, ours, data, found.data)
    return found


def other_denoiser(
    field: str,
    directory: epath.PathLike,
    ours: Config,
    data: Described,
    *,
    step: int,
    weights: str,
) -> Restored[Denoiser]:
    """Restores another run's denoiser, trained on this run's data.

    Args:
      field: the field that names the run, for messages.
      directory: the other run's workdir.
      ours: this run's config.
      data: this run's data.
      step: step of the checkpoint; -1: the newest whole one.
      weights: one of `build.weight_names`.

    Raises:
      ConfigError: it is not there, or is of other data.
    """
    theirs = config_of(field, directory, ours)
    same_data.check(field, ours, theirs, data, _recorded(directory, theirs))
    with errors_about(field):
        return load(theirs, directory, step=step, weights=weights)


@contextlib.contextmanager
def errors_about(field: str) -> Iterator[None]:
    """Turns an error while another run is read into one that names the field of that run."""
    try:
        yield
    except (ValueError, AttributeError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(f"{field} cannot be read: {reason}") from error


OTHERS = OtherRuns(other_denoiser, other_classifier)
