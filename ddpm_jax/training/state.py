"""The train state: all that a run needs to continue as if it had never stopped."""

from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

Params = Any  # A tree of arrays: {"net": ..., "schedule": ...}.

# An array; in trees made from a state, also its shape, its sharding or nothing.
Leaf = Any

NUM_QUARTERS = 4


@flax.struct.dataclass
class Window:
    """Sums over the steps since the last row of metrics, without skipped steps."""

    num_steps: Leaf  # [], int32.
    loss: Leaf  # [], like all that follow but the last two.
    grad_norm: Leaf
    update_norm: Leaf
    param_norm: Leaf
    learning_rate: Leaf
    quarter_loss: Leaf  # [4], summed over examples by quarter of their coordinate.
    quarter_count: Leaf  # [4], number of examples by quarter of their coordinate.

    @classmethod
    def empty(cls) -> "Window":
        # One buffer each: a donated state may hold no array twice.
        scalars = {
            name: jnp.zeros(())
            for name in ("loss", "grad_norm", "update_norm", "param_norm")
        }
        return cls(
            num_steps=jnp.zeros((), jnp.int32),
            learning_rate=jnp.zeros(()),
            quarter_loss=jnp.zeros(NUM_QUARTERS),
            quarter_count=jnp.zeros(NUM_QUARTERS),
            **scalars,
        )


@flax.struct.dataclass
class TrainState:
    """All that a checkpoint holds. The seed is in the config; keys are never saved.

    Attributes:
      step: [], int32, number of steps done, with skipped ones.
      skipped: [], int32, number of steps whose loss or gradient was not finite.
      skipped_in_a_row: [], int32, number of skipped steps since the last good one.
      params: {"net": ..., "schedule": ...}; a fixed schedule has no entry.
      ema_params: averages of params, by their decay as in the config.
      opt_state: state of the Optax optimiser.
      time_history: the objective's memory, for diffusion the history by which times are
        drawn; () if there is none. The name is that of checkpoints.
      window: sums for the next row of metrics, so that it survives a stop.
    """

    step: Leaf
    skipped: Leaf
    skipped_in_a_row: Leaf
    params: Params
    ema_params: Mapping[str, Params]
    opt_state: optax.OptState
    time_history: Any
    window: Window


def create(
    params: Params,
    optimizer: optax.GradientTransformation,
    ema_names: tuple[str, ...],
    time_history: Any = (),
) -> TrainState:
    """The state before the first step; every average starts at the parameters."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        skipped_in_a_row=jnp.zeros((), jnp.int32),
        params=params,
        ema_params={name: jax.tree.map(jnp.copy, params) for name in ema_names},
        opt_state=optimizer.init(params),
        time_history=time_history,
        window=Window.empty(),
    )
