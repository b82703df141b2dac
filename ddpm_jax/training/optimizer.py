"""Optimisers and learning rates, by name, from Optax."""

from collections.abc import Callable
from typing import Any

import jax
import optax

from ddpm_jax.training.state import Params

DECAYS: dict[str, Callable[..., optax.Schedule]] = {
    "constant": lambda peak, decay_steps, final_fraction: optax.constant_schedule(peak),
    "cosine": lambda peak, decay_steps, final_fraction: optax.cosine_decay_schedule(
        peak, decay_steps, alpha=final_fraction
    ),
    "rsqrt": lambda peak, decay_steps, final_fraction: (
        lambda step: peak / (1.0 + step / decay_steps) ** 0.5
    ),
}


def learning_rate_schedule(
    peak: float,
    *,
    warmup_steps: int,
    decay: str,
    decay_steps: int,
    final_fraction: float,
) -> optax.Schedule:
    """Linear warm-up from peak / warmup_steps to peak, then a decay.

    Args:
      peak: the rate after the warm-up.
      warmup_steps: 0 for none.
      decay: "constant"; "cosine", to final_fraction of the peak at step decay_steps; or
        "rsqrt", peak / sqrt(1 + steps since the warm-up / decay_steps).
      decay_steps: counted from step 0 for "cosine", a time scale for "rsqrt".
      final_fraction: what "cosine" leaves of the peak.

    Returns:
      Updates done -> rate of the next.
    """
    after = DECAYS[decay](peak, max(decay_steps - warmup_steps, 1), final_fraction)
    if warmup_steps == 0:
        return after
    warmup = optax.linear_schedule(peak / warmup_steps, peak, warmup_steps - 1)
    if warmup_steps == 1:
        warmup = optax.constant_schedule(peak)
    return optax.join_schedules([warmup, after], [warmup_steps])


def decays(params: Params) -> Any:
    """True for the weights that decay: the network's kernels, no bias or norm."""

    def is_kernel(path: tuple[Any, ...], _: jax.Array) -> bool:
        names = [getattr(entry, "key", None) for entry in path]
        return names[-1] not in ("bias", "scale")

    return jax.tree_util.tree_map_with_path(is_kernel, params)


def make_optimizer(
    name: str,
    learning_rate: optax.Schedule,
    *,
    schedule_rate: float,
    b1: float,
    b2: float,
    eps: float,
    weight_decay: float,
    clip_norm: float,
) -> optax.GradientTransformation:
    """The named rule for the network and, at a rate of its own, for the noise schedule.

    The network's gradient is first clipped by its global norm, and its kernels decay. The
    gradient it is given is already the mean over the global batch, so that the clip does
    not depend on the number of devices.

    Args:
      name: one of `OPTIMIZERS`.
      learning_rate: updates done -> rate for the network.
      schedule_rate: rate for a learned noise schedule, in units of the network's.
      b1, b2, eps: of the rule.
      weight_decay: of the network's kernels.
      clip_norm: of the network's gradient; 0: not at all.
    """
    make_rule = OPTIMIZERS[name]
    options = {"b1": b1, "b2": b2, "eps": eps}
    clip = optax.clip_by_global_norm(clip_norm) if clip_norm > 0 else optax.identity()
    rules = {
        "net": optax.chain(
            clip, make_rule(learning_rate, **options, decay=weight_decay)
        ),
        "schedule": make_rule(
            lambda step: schedule_rate * learning_rate(step), **options, decay=0.0
        ),
    }

    def labels(params: Params) -> Any:
        """Each array's name of its part."""
        return jax.tree_util.tree_map_with_path(lambda path, _: path[0].key, params)

    return optax.partition(rules, labels)


def _adam(learning_rate, *, b1, b2, eps, decay):
    if decay:
        raise ValueError(
            f"config.optimizer.weight_decay = {decay} has no meaning for"
            " config.optimizer.name = 'adam': write 'adamw', or a decay of 0.0."
        )
    return optax.adam(learning_rate, b1=b1, b2=b2, eps=eps)


def _adamw(learning_rate, *, b1, b2, eps, decay):
    return optax.adamw(
        learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=decay, mask=decays
    )


def _lion(learning_rate, *, b1, b2, eps, decay):
    return optax.lion(learning_rate, b1=b1, b2=b2, weight_decay=decay, mask=decays)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam": _adam,
    "adamw": _adamw,
    "lion": _lion,
}
