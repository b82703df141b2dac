"""The learning rate that a config describes, and what is said of it at a start."""

import functools

import jax.numpy as jnp
import optax
from ml_collections import ConfigDict as Config

from ddpm_jax.core.choice import make_chosen
from ddpm_jax.training import rates
from ddpm_jax.training.rates import DECAYS


def of(config: Config) -> optax.Schedule:
    """The learning rate of config.optimizer, by updates.

    Raises:
      ConfigError: its decay does not fit the run.
    """
    c = config.optimizer
    return rates.learning_rate_schedule(
        c.learning_rate,
        warmup_steps=c.warmup_steps,
        decay=functools.partial(make_chosen, DECAYS, c, "decay", "optimizer"),
        decay_steps=end_of_decay(config),
        final_fraction=c.final_fraction,
    )


def end_of_decay(config: Config) -> int:
    """The step at which the decay ends: config.optimizer.decay_steps, or the run's last."""
    return int(config.optimizer.decay_steps or config.training.num_steps)


def notes(config: Config) -> list[str]:
    """A sentence for each part of a run that its learning rate leaves without use."""
    c, num_steps = config.optimizer, config.training.num_steps
    run = f"config.training.num_steps = {num_steps}"
    found = []
    if c.warmup_steps >= num_steps:
        found.append(
            f"config.optimizer.warmup_steps = {c.warmup_steps}: the learning rate reaches its"
            f" peak after the run, of {run}"
        )
    # The number of updates after which the rate stays as it is.
    end = max(end_of_decay(config), c.warmup_steps + 1)
    if DECAYS[c.decay].has("ends") and end < num_steps:
        last = c.final_fraction * c.learning_rate
        stays = f"stays at {last:g}" if last else "is 0, so that nothing is learned,"
        found.append(
            f"config.optimizer.decay_steps = {c.decay_steps}: the learning rate {stays} from"
            f" step {end + 1} to the end, {run}; with decay_steps = 0 it decays until then"
        )
    return found


def change(now: Config, then: Config, num_updates: int) -> str:
    """A sentence on a learning rate that goes on otherwise; "": it goes on as it was.

    Args:
      now, then: the config to go on with, and that of the steps before.
      num_updates: number of updates done.
    """
    said = []
    ends = [end_of_decay(config) for config in (then, now)]
    if ends[0] != ends[1] and DECAYS[now.optimizer.decay].has("of_a_length"):
        said.append(f"its decay is by {ends[1]} steps, no longer {ends[0]}")
    before, after = (
        float(of(config)(jnp.asarray(num_updates))) for config in (then, now)
    )
    if before != after:
        said.append(f"the next is {after:.3g} instead of {before:.3g}")
    return f"the learning rate: {'; '.join(said)}" if said else ""
