"""The table of optimisers, from Optax."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from ddpm_jax.core.choice import Choice, Options, Table
from ddpm_jax.training.state import Params


def decays(params: Params) -> Any:
    """A mask of the weights that decay: the network's kernels, no bias or norm."""

    def is_kernel(path: tuple[Any, ...], _: jax.Array) -> bool:
        names = [getattr(entry, "key", None) for entry in path]
        return names[-1] not in ("bias", "scale")

    return jax.tree_util.tree_map_with_path(is_kernel, params)


class Moments(NamedTuple):
    """Options that optimisers share.

    Attributes:
      b1, b2: decays of the averages of the gradient and of its square.
      eps: added to the root of the latter.
      weight_decay: weight decay of the network's kernels.
    """

    b1: float
    b2: float
    eps: float
    weight_decay: float


# (updates done -> rate, options) -> an optimiser.
Rule = Callable[[optax.Schedule, Moments], optax.GradientTransformation]


def make_optimizer(
    rule: Rule,
    learning_rate: optax.Schedule,
    moments: Moments,
    *,
    schedule_rate: float,
    clip_norm: float,
) -> optax.GradientTransformation:
    """A rule for the network and, at a rate of its own, for the noise schedule.

    The network's gradient is first clipped by its global norm, and its kernels decay. The
    gradient given is the mean over the global batch, so that the clip does not depend on the
    number of devices.

    Args:
      rule: made of one of `OPTIMIZERS`.
      learning_rate: updates done -> rate for the network.
      moments: options of the rule.
      schedule_rate: rate for a learned noise schedule, in units of the network's.
      clip_norm: largest norm of the network's gradient; 0: no clip.
    """
    clip = optax.clip_by_global_norm(clip_norm) if clip_norm > 0 else optax.identity()
    rules = {
        "net": optax.chain(clip, rule(learning_rate, moments)),
        "schedule": rule(
            lambda step: schedule_rate * learning_rate(step),
            moments._replace(weight_decay=0.0),
        ),
    }

    def labels(params: Params) -> Any:
        """The part, "net" or "schedule", of each array."""
        return jax.tree_util.tree_map_with_path(lambda path, _: path[0].key, params)

    return optax.partition(rules, labels)


def _adam(_: Options, rate: optax.Schedule, m: Moments) -> Any:
    if m.weight_decay:
        raise ValueError(
            f"no weight_decay = {m.weight_decay} goes with name = 'adam': write"
            " 'adamw', or a decay of 0.0."
        )
    return optax.adam(rate, b1=m.b1, b2=m.b2, eps=m.eps)


def _adamw(_: Options, rate: optax.Schedule, m: Moments) -> Any:
    decay = {"weight_decay": m.weight_decay, "mask": decays}
    return optax.adamw(rate, b1=m.b1, b2=m.b2, eps=m.eps, **decay)


def _lion(_: Options, rate: optax.Schedule, m: Moments) -> Any:
    return optax.lion(rate, m.b1, m.b2, weight_decay=m.weight_decay, mask=decays)


# Each makes an optimiser of its options, a learning rate by updates, and `Moments`.
OPTIMIZERS: Table = {
    "adam": Choice(Options, _adam),
    "adamw": Choice(Options, _adamw),
    "lion": Choice(Options, _lion),
}
