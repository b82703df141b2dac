"""One step of training: draw, differentiate, update, count.

The step means the same whatever runs it: losses and gradients are means over the global
batch, which `axis_name` (pmap) or the compiler (jit over a mesh) provides, in as many
microbatches as memory asks for.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from ddpm_jax.core.randomness import Stream, example_keys
from ddpm_jax.diffusion.model import LogSnr
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.objectives.time_sampling import Times, TimeSampler
from ddpm_jax.diffusion.process import times
from ddpm_jax.training.state import NUM_QUARTERS, Params, TrainState, Window

Batch = Mapping[str, Array]


class Draws(NamedTuple):
    """The random part of a step, one row an example."""

    times: Times
    noise_keys: Key[Array, " batch"]
    dropout_keys: Key[Array, " batch"]


# (params, batch, draws) -> loss of each example, before the weight of its time.
LossFn = Callable[[Params, Batch, Draws], LossTerms]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepSettings:
    """What a step is, beside its loss and optimiser.

    Attributes:
      seed: of the run.
      batch_size: global.
      time_sampler: what makes times of random numbers.
      is_stratified: whether these numbers cover [0, 1) evenly in each global batch.
      log_snr: parameters -> the schedule.
      num_microbatches: the batch is differentiated in this many pieces, one at a time.
      ema_decays: name -> decay of each average of the parameters.
      ema_warmup: begins each average with a decay of (1 + n) / (10 + n) after n updates.
      log_every: steps summed in a row of metrics.
    """

    seed: int
    batch_size: int
    time_sampler: TimeSampler
    is_stratified: bool
    log_snr: Callable[[Params], LogSnr]
    num_microbatches: int
    ema_decays: Mapping[str, float]
    ema_warmup: bool
    log_every: int


def make_train_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    settings: StepSettings,
    axis_name: str | None = None,
) -> Callable[[TrainState, Batch], TrainState]:
    """The step (state, batch) -> state, not compiled: see `parallel.py`.

    A batch holds "image", "label" and "position", the example's place in the global batch,
    and "augmented" where the network is told of it.
    A step whose loss or gradient is not finite changes nothing but the counters.
    """

    def train_step(state: TrainState, batch: Batch) -> TrainState:
        draws = _draw(state, batch["position"], settings)
        losses, grads = _losses_and_grads(
            loss_fn, state.params, batch, draws, settings.num_microbatches
        )
        loss = _mean(jnp.mean(_weighted(losses, draws)), axis_name)
        grads = _mean(grads, axis_name)
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
            t=_gather(draws.times.t, axis_name),
            losses=_gather(losses.total, axis_name),
        )
        updated = TrainState(
            step=state.step + 1,
            skipped=state.skipped,
            skipped_in_a_row=jnp.zeros_like(state.skipped_in_a_row),
            params=params,
            ema_params=ema_params,
            opt_state=opt_state,
            time_history=settings.time_sampler.record(
                state.time_history,
                settings.log_snr(state.params),
                _gather(draws.times, axis_name),
                _gather(losses.timed, axis_name),
            ),
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


def _draw(
    state: TrainState, position: Int[Array, " batch"], settings: StepSettings
) -> Draws:
    """Times and the keys of everything else."""

    def key(stream: Stream) -> Array:
        root = jax.random.fold_in(jax.random.key(settings.seed), stream)
        return jax.random.fold_in(root, state.step)

    if settings.is_stratified:
        u = times.stratified(key(Stream.TIME), position, settings.batch_size)
    else:
        u = times.uniform(example_keys(key(Stream.TIME), position))
    log_snr = settings.log_snr(state.params)
    return Draws(
        times=settings.time_sampler.draw(state.time_history, log_snr, u),
        noise_keys=example_keys(key(Stream.NOISE), position),
        dropout_keys=example_keys(key(Stream.DROPOUT), position),
    )


def _weighted(losses: LossTerms, draws: Draws) -> Float[Array, " batch"]:
    return draws.times.weight * losses.timed + losses.rest


def _losses_and_grads(
    loss_fn: LossFn,
    params: Params,
    batch: Batch,
    draws: Draws,
    num_microbatches: int,
) -> tuple[LossTerms, Params]:
    """Loss of each example before its weight, and the gradient of the weighted mean."""

    def weighted_mean(params: Params, piece: Any) -> tuple[Array, LossTerms]:
        batch, draws = piece
        losses = loss_fn(params, batch, draws)
        return jnp.mean(_weighted(losses, draws)), losses

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

    def accumulate(total: Params, piece: Any) -> tuple[Params, LossTerms]:
        (_, losses), grads = value_and_grad(params, piece)
        return jax.tree.map(jnp.add, total, grads), losses

    total, losses = jax.lax.scan(
        accumulate, jax.tree.map(jnp.zeros_like, params), pieces
    )
    grads = jax.tree.map(lambda g: g / num_microbatches, total)
    whole_losses = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1).reshape(-1), losses)
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
    """The sums so far, or empty ones if the step before this one closed a row."""
    is_new = state.step % log_every == 0 if log_every else state.step == 0
    return jax.tree.map(lambda a: jnp.where(is_new, 0, a).astype(a.dtype), state.window)


def _add_to_window(
    window: Window, *, t: Array, losses: Array, **scalars: Array
) -> Window:
    quarter = jnp.minimum((t * NUM_QUARTERS).astype(jnp.int32), NUM_QUARTERS - 1)
    sums = {name: getattr(window, name) + value for name, value in scalars.items()}
    return dataclasses.replace(
        window,
        num_steps=window.num_steps + 1,
        quarter_loss=window.quarter_loss.at[quarter].add(losses),
        quarter_count=window.quarter_count.at[quarter].add(1.0),
        **sums,
    )


def _mean(tree: Any, axis_name: str | None) -> Any:
    return tree if axis_name is None else jax.lax.pmean(tree, axis_name)


def _gather(values: Any, axis_name: str | None) -> Any:
    """All examples of the global batch, in order of position, for each array of a tree."""
    if axis_name is None:
        return values
    return jax.lax.all_gather(values, axis_name, tiled=True)
