"""The state with which a new run starts, where it starts from another run."""

import jax
from absl import logging
from ml_collections import ConfigDict as Config

from ddpm_jax.config import changes
from ddpm_jax.core.choice import chosen
from ddpm_jax.core.errors import ConfigError, choose, flat
from ddpm_jax.core.leaf import Belongs
from ddpm_jax.models import build, learning_rate
from ddpm_jax.runs import restore
from ddpm_jax.training import starts
from ddpm_jax.training.starts import STARTS
from ddpm_jax.training.state import TrainState

# Fields of config.model that change a network's function but not its arrays' shapes.
_FIELDS_BESIDE_SHAPES = ("time_input", "log_snr_bounds", "time_scale")


def start_from(config: Config, state: TrainState) -> TrainState:
    """The state that a new run takes from the run of config.training.start_from.

    Args:
      config: config of the new run.
      state: first state of the new run, of global arrays.

    Raises:
      ConfigError: there is no such checkpoint, or what is taken has other arrays; the message
        names the first that differs.
    """
    c = config.training
    field = f"config.training.start_from = {c.start_from!r}"
    theirs = restore.config_of(field, c.start_from, config)
    known = dict.fromkeys(build.weight_names(theirs))
    choose(known, c.start_weights, "training.start_weights")
    with restore.errors_about(field):
        found = restore.checkpoint(theirs, c.start_from, build.backbone, c.start_step)
    choice, options = chosen(STARTS, c, "start_with", "training")
    weights = build.weights(theirs, found.state, c.start_weights)
    begun: TrainState = choice.make(options, state, found.state, weights)
    if choice.has("goes_on"):
        _check_same(field, "state", begun, state)
        _check_goes_on(field, config, found.step)
        _log_differences(field, config, theirs, begun)
    else:
        _check_same(field, "network", begun.params["net"], state.params["net"])
        _warn_of_other_numbers(field, config, theirs)
    what = c.start_with
    logging.info("the %s is that of %s at step %d", what, c.start_from, found.step)
    return starts.placed(begun, state)


def _check_goes_on(field: str, config: Config, step: int) -> None:
    if step >= config.training.num_steps:
        raise ConfigError(
            f"config.training.num_steps = {config.training.num_steps}: {field} is at step"
            f" {step} already; write more, or an earlier config.training.start_step."
        )


def _log_differences(
    field: str, config: Config, theirs: Config, state: TrainState
) -> None:
    """Logs what goes on otherwise than in the other run."""
    owners = (Belongs.MODEL, Belongs.DATA, Belongs.RUN)
    for name, change in changes.of_effect(config, flat(theirs), owners).items():
        if not name.startswith("training.start_"):
            logging.info("otherwise than in %s: %s", field, change.of(name))
    num_updates = int(state.step) - int(state.skipped)
    if said := learning_rate.change(config, theirs, num_updates):
        logging.info("%s", said)


def _warn_of_other_numbers(field: str, config: Config, theirs: Config) -> None:
    """Warns of fields by which a network's numbers have another meaning."""
    for name in ("prediction", *(f"model.{part}" for part in _FIELDS_BESIDE_SHAPES)):
        now, then = flat(config)[name], flat(theirs)[name]
        if now != then:
            logging.warning(
                "%s: its network has learned another config.%s, %r, not %r",
                *(field, name, then, now),
            )


def _check_same(field: str, what: str, theirs: object, ours: object) -> None:
    """Raises ConfigError unless two trees have the same arrays."""

    def shapes(tree: object) -> dict[str, tuple[int, ...]]:
        flat = jax.tree_util.tree_leaves_with_path(tree)
        return {
            jax.tree_util.keystr(p, simple=True, separator="/"): leaf.shape
            for p, leaf in flat
        }

    a, b = shapes(theirs), shapes(ours)
    for name in sorted(a.keys() | b.keys()):
        there, here = a.get(name, "absent"), b.get(name, "absent")
        if there != here:
            raise ConfigError(
                f"{field} has another {what}: {name} is {there} there and {here} here."
                f" Use its {_REMEDIES[what]}, or another workdir."
            )


_REMEDIES = {
    "network": "config.model",
    "state": "config.model, .ema and .optimizer, or config.training.start_with ="
    " 'network'",
}
