"""A model as its workdir has it: what evaluation and sampling start from."""

from typing import NamedTuple

from etils import epath
from jax.sharding import Mesh

from ddpm_jax import build, workdir
from ddpm_jax.binding import Model
from ddpm_jax.config import Config, ConfigError, errors_are_the_users
from ddpm_jax.data.sources import Source
from ddpm_jax.training.checkpoints import Checkpoints
from ddpm_jax.training.state import Params


class Trained(NamedTuple):
    """A checkpoint's parameters, and what they belong to.

    Attributes:
      path: the workdir.
      mesh: the devices.
      source: the split to evaluate.
      model: what the parameters bind.
      step: of the checkpoint.
      params: raw, or one of the averages.
    """

    path: epath.Path
    mesh: Mesh
    source: Source
    model: Model
    step: int
    params: Params


def load(
    config: Config, directory: epath.PathLike, *, step: int, weights: str
) -> Trained:
    """Reads a checkpoint, beside a run that may be training, and changes nothing.

    Args:
      config: the run's.
      directory: its workdir.
      step: of the checkpoint; -1: the newest whole one.
      weights: one of `build.weight_names`.

    Raises:
      ConfigError: the workdir is of another config, or has no such checkpoint.
    """
    path = epath.Path(directory)
    workdir.check_config(path, config)
    mesh = build.mesh(config)
    source = build.source(config, config.data.eval_split)
    model = build.model(config, source)
    abstract = build.training(config, mesh, model).abstract
    with errors_are_the_users():
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
    step, state = found
    params = build.weights(config, state, weights)
    return Trained(path, mesh, source, model, step, params)
