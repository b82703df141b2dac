"""The smallest thing that can be trained: one matrix that guesses its target from noise."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.core.randomness import step_key
from ddpm_jax.diffusion.objectives.denoising import LossTerms
from ddpm_jax.diffusion.objectives.time_sampling import Grid, GridByLoss
from ddpm_jax.models.timed_objective import TimedObjective
from ddpm_jax.training import optimizer, rates, state, step

DIM = 8
BATCH = 16
BY_LOSS = GridByLoss(num_steps=20, first=0)


def loss_fn(params, batch, draws):
    """Squared error of each example, with noise and dropout from the example's keys."""
    noise = jax.vmap(lambda key: jax.random.normal(key, (DIM,)))(draws.noise_keys)
    keep = jax.vmap(lambda key: jax.random.bernoulli(key, 0.9, (DIM,)))(
        draws.dropout_keys
    )
    x = batch["image"] + draws.times.t[:, None] * noise
    dense = params["net"]["dense"]
    guess = (x * keep) @ dense["kernel"] + dense["bias"][None]
    found = jnp.mean(jnp.square(guess - batch["image"][:, ::-1]), axis=1)
    return LossTerms(timed=found, rest=jnp.zeros_like(found))


def first_params():
    kernel = np.random.default_rng(0).normal(size=(DIM, DIM)).astype(np.float32)
    return {"net": {"dense": {"kernel": jnp.asarray(kernel), "bias": jnp.zeros(DIM)}}}


def objective(loss=loss_fn, **changes):
    given = {
        "log_snr": lambda params: jnp.negative,
        "time_sampler": Grid(num_steps=20, first=0),
        "is_stratified": True,
        "batch_size": BATCH,
    }
    return TimedObjective(loss=loss, **(given | changes))


def draws_at(state, num=BATCH, **changes):
    """What the step draws from this state for the first of its batch."""
    keys = functools.partial(step_key, SETTINGS["seed"], step=state.step)
    made = objective(**changes)
    return made.draw(state.time_history, state.params, keys, jnp.arange(num))


SETTINGS = {
    "seed": 3,
    "num_microbatches": 1,
    "ema_decays": {"0.9": 0.9, "0.5": 0.5},
    "ema_warmup": False,
    "log_every": 5,
}


def rule(learning_rate=0.01):
    rate = rates.learning_rate_schedule(
        learning_rate,
        warmup_steps=4,
        decay=rates.DECAYS["constant"].default,
        decay_steps=1,
        final_fraction=0.0,
    )
    made = optimizer.make_optimizer(
        optimizer.OPTIMIZERS["adamw"].default,
        rate,
        optimizer.Moments(b1=0.9, b2=0.99, eps=1e-8, weight_decay=0.01),
        schedule_rate=1.0,
        clip_norm=1.0,
    )
    return made, rate


def init(time_history=()):
    made, _ = rule()
    return state.create(first_params(), made, ("0.9", "0.5"), time_history)


def make_step(axis_name=None, loss=loss_fn, **changes):
    """The step; changes to its settings or else to its objective."""
    made, rate = rule()
    others = {name: changes.pop(name) for name in SETTINGS.keys() & changes.keys()}
    settings = step.StepSettings(**(SETTINGS | others))
    return step.make_train_step(
        objective(loss, **changes), made, rate, settings, axis_name
    )


def batch(number, num=BATCH):
    rng = np.random.default_rng([7, number])
    return {
        "image": rng.normal(size=(num, DIM)).astype(np.float32),
        "label": np.zeros(num, np.int32),
        "position": np.arange(num, dtype=np.int32),
    }
