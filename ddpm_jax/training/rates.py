"""Learning rates: a warm-up, and the table of what follows it.

Each is a function from the number of updates done to the rate of the next, so that a run's
last update, the N-th, is made at the rate of N - 1: not yet the one at which a decay ends.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax

from ddpm_jax.core.choice import Choice, Options, Table, option

# (peak, number of steps, fraction left at their end) -> learning rate by updates.
Decay = Callable[[float, int, float], optax.Schedule]


def learning_rate_schedule(
    peak: float,
    *,
    warmup_steps: int,
    decay: Decay,
    decay_steps: int,
    final_fraction: float,
) -> optax.Schedule:
    """A learning rate: linear warm-up from peak / warmup_steps to peak, then a decay.

    Args:
      peak: rate after the warm-up.
      warmup_steps: length of the warm-up; 0: none.
      decay: made of one of `DECAYS`.
      decay_steps: the step, counted from 0, at which the decay ends; a time scale for rsqrt.
      final_fraction: fraction of the peak at which the decay ends.

    Returns:
      A function from the number of updates done to the rate of the next.
    """
    after = decay(peak, max(decay_steps - warmup_steps, 1), final_fraction)
    if warmup_steps == 0:
        return after
    warmup = optax.linear_schedule(peak / warmup_steps, peak, warmup_steps - 1)
    if warmup_steps == 1:
        warmup = optax.constant_schedule(peak)
    return optax.join_schedules([warmup, after], [warmup_steps])


def _constant(_: Options, peak: float, __: int, ___: float) -> optax.Schedule:
    return optax.constant_schedule(peak)


def _cosine(
    _: Options, peak: float, num_steps: int, final_fraction: float
) -> optax.Schedule:
    return optax.cosine_decay_schedule(peak, num_steps, alpha=final_fraction)


def _rsqrt(_: Options, peak: float, num_steps: int, __: float) -> optax.Schedule:
    """peak / sqrt(1 + steps / num_steps), which has no end."""
    return lambda step: peak / (1.0 + step / num_steps) ** 0.5


# The fraction of the peak at a share, from 0 to 1, of a decay to 0.
FORMS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda share: 1.0 - share,
    "1-sqrt": lambda share: 1.0 - jnp.sqrt(share),
    "cosine": lambda share: 0.5 + 0.5 * jnp.cos(jnp.pi * share),
}


@dataclasses.dataclass(frozen=True)
class WarmupStableDecay(Options):
    """Options of a constant rate with a decay at its end."""

    steps: int = option(0, "Steps of the decay; 0: by the share.", at_least=0)
    share: float = option(
        0.2,
        "Share of the decay in the steps after the warm-up.",
        above=0.0,
        at_most=1.0,
        remedy="write a number in (0, 1], such as 0.2",
    )
    form: str = option("1-sqrt", "Form of the decay.", one_of=FORMS)


def _warmup_stable_decay(
    options: WarmupStableDecay, peak: float, num_steps: int, final_fraction: float
) -> optax.Schedule:
    """The peak, and in the last steps a decay (Hu et al. 2024, arXiv:2404.06395).

    Until the decay begins nothing depends on its end: one run of a constant rate serves decays
    of any length (Hagele et al. 2024, arXiv:2405.18392, with the form 1 - sqrt).
    """
    length = options.steps or max(round(options.share * num_steps), 1)
    if length > num_steps:
        raise ValueError(
            f"steps = {length}: of the rate's {num_steps} steps after the warm-up, write at"
            " most that many."
        )
    start, left = num_steps - length, FORMS[options.form]

    def rate(step: jax.Array | int) -> jax.Array:
        share = jnp.clip((jnp.asarray(step) - start) / length, 0.0, 1.0)
        decayed = peak * (final_fraction + (1.0 - final_fraction) * left(share))
        return jnp.where(step < start, peak, decayed)

    return rate


# Each makes a learning rate by updates of its options and the arguments of a `Decay`.
# "of_a_length": the rate depends on the number of steps. "ends": it stays as it is after them.
DECAYS: Table = {
    "constant": Choice(Options, _constant),
    "cosine": Choice(Options, _cosine, frozenset({"of_a_length", "ends"})),
    "rsqrt": Choice(Options, _rsqrt, frozenset({"of_a_length"})),
    "wsd": Choice(
        WarmupStableDecay, _warmup_stable_decay, frozenset({"of_a_length", "ends"})
    ),
}
