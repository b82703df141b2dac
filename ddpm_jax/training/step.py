"""One step of training: draw, differentiate, update, count.

The step means the same whatever runs it: losses and gradients are means over the global
batch, which `axis_name` (pmap) or the compiler (jit over a mesh) provides, in as many
microbatches as memory asks for.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from ddpm_jax.core.randomness import Stream, step_key
from ddpm_jax.training.objective import Batch, Draws, Losses, Memory, Objective
from ddpm_jax.training.state import NUM_QUARTERS, Params, TrainState, Window


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSettings:
    """The settings of a step beside its objective and optimiser.

    Attributes:
      seed: the run's seed.
      num_microbatches: number of pieces of a batch that are differentiated one at a time.
      ema_decays: decay of each average of the parameters, by name.
      ema_warmup: whether averages start with a decay of (1 + n) / (10 + n) after n updates.
      log_every: number of steps in a row of metrics.
    """

    seed: int
    num_microbatches: int
    ema_decays: Mapping[str, float]
    ema_warmup: bool
    log_every: int


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    settings: StepSettings,
    axis_name: str | None = None,
) -> Callable[[TrainState, Batch], TrainState]:
    """Makes the step (state, batch) -> state, which `parallel.py` compiles.

    A step whose loss or gradient is not finite changes nothing but the counters.
    """

    def train_step(state: TrainState, batch: Batch) -> TrainState:
        def key(stream: Stream) -> Array:
            return step_key(settings.seed, stream, state.step)

        memory = state.time_history
        draws = objective.draw(memory, state.params, key, batch["position"])
        losses, grads = _losses_and_grads(
            objective, memory, state.params, batch, draws, settings.num_microbatches
        )
        loss = _mean(jnp.mean(losses.weighted), axis_name)
        grads = _mean(grads, axis_name)
        draws, losses = _gather((draws, losses), axis_name)
        grad_norm = optax.tree.norm(grads)
        is_finite = jnp.isfinite(loss) & jnp.isfinite(grad_norm)

        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        num_updates = state.step - state.skipped
        ema_params = _average(params, state.ema_params, num_updates, settings)
        window = _add_to_window(
            _window_before(state, settings.log_every),
            loss=loss,
            grad_norm=grad_norm,
            update_norm=optax.tree.norm(updates),
            param_norm=optax.tree.norm(params),
            learning_rate=jnp.asarray(learning_rate(num_updates), jnp.float32),
            losses=losses,
        )
        updated = TrainState(
            step=state.step + 1,
            skipped=state.skipped,
            skipped_in_a_row=jnp.zeros_like(state.skipped_in_a_row),
            params=params,
            ema_params=ema_params,
            opt_state=opt_state,
            time_history=objective.update(memory, state.params, draws, losses),
            window=window,
        )
        unchanged = dataclasses.replace(
            state,
            step=state.step + 1,
            skipped=state.skipped + 1,
            skipped_in_a_row=state.skipped_in_a_row + 1,
            window=_window_before(state, settings.log_every),
        )
        return jax.tree.map(
            lambda new, old: jnp.where(is_finite, new, old), updated, unchanged
        )

    return train_step


def _losses_and_grads(
    objective: Objective,
    memory: Memory,
    params: Params,
    batch: Batch,
    draws: Draws,
    num_microbatches: int,
) -> tuple[Losses, Params]:
    """The losses of each example, and the gradient of their weighted mean."""

    def weighted_mean(params: Params, piece: Any) -> tuple[Array, Losses]:
        losses = objective.losses(memory, params, *piece)
        return jnp.mean(losses.weighted), losses

    value_and_grad = jax.value_and_grad(weighted_mean, has_aux=True)
    whole = (batch, draws)
    if num_microbatches == 1:
        (_, losses), grads = value_and_grad(params, whole)
        return losses, grads

    # Every num_microbatches-th example, so that each piece stays spread over the devices.
    pieces = jax.tree.map(
        lambda a: jnp.swapaxes(a.reshape(-1, num_microbatches, *a.shape[1:]), 0, 1),
        whole,
    )

    def accumulate(total: Params, piece: Any) -> tuple[Params, Losses]:
        (_, losses), grads = value_and_grad(params, piece)
        return jax.tree.map(jnp.add, total, grads), losses

    total, losses = jax.lax.scan(
        accumulate, jax.tree.map(jnp.zeros_like, params), pieces
    )
    grads = jax.tree.map(lambda g: g / num_microbatches, total)
    whole_losses = jax.tree.map(
        lambda a: jnp.swapaxes(a, 0, 1).reshape(-1, *a.shape[2:]), losses
    )
    return whole_losses, grads


def _average(
    params: Params,
    ema_params: Mapping[str, Params],
    num_updates: Int[Array, ""],
    settings: StepSettings,
) -> dict[str, Params]:
    averaged = {}
    for name, decay in settings.ema_decays.items():
        step_size: float | Array = 1.0 - decay
        if settings.ema_warmup:
            # 1 - (1 + n) / (10 + n).
            step_size = jnp.maximum(step_size, 9.0 / (10.0 + num_updates))
        averaged[name] = optax.incremental_update(params, ema_params[name], step_size)
    return averaged


def _window_before(state: TrainState, log_every: int) -> Window:
    """The window that a step adds to: an empty one if the last step completed a row."""
    is_new = state.step % log_every == 0 if log_every else state.step == 0
    return jax.tree.map(lambda a: jnp.where(is_new, 0, a).astype(a.dtype), state.window)


def _add_to_window(window: Window, *, losses: Losses, **scalars: Array) -> Window:
    quarter = (losses.coordinate * NUM_QUARTERS).astype(jnp.int32)
    quarter = jnp.minimum(quarter, NUM_QUARTERS - 1)
    sums = {name: getattr(window, name) + value for name, value in scalars.items()}
    return dataclasses.replace(
        window,
        num_steps=window.num_steps + 1,
        quarter_loss=window.quarter_loss.at[quarter].add(losses.unweighted),
        quarter_count=window.quarter_count.at[quarter].add(1.0),
        **sums,
    )


def _mean(tree: Any, axis_name: str | None) -> Any:
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)


def _gather(values: Any, axis_name: str | None) -> Any:
    """Gathers all examples of the global batch, in order of position, for arrays of a tree."""
    if axis_name is None:
        return values
    return jax.lax.all_gather(values, axis_name, tiled=True)
