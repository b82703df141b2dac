"""The step that is measured: CIFAR-10's U-Net, eps-prediction, clip, Adam, no more.

What a training run adds (averages of the weights, counters, metrics) is left out, since
the peer has none of it: the loop's own benchmark counts it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from ddpm_jax.diffusion.process import gaussian, schedules
from ddpm_jax.nets.unet import UNet
from ddpm_jax.training import parallel
from ddpm_jax.training.optimizer import OPTIMIZERS, Moments, make_optimizer

NUM_LATENTS = 1000
LEARNING_RATE = 2e-4
CLIP_NORM = 1.0
DROPOUT = 0.1
IMAGE_SHAPE = (32, 32, 3)
NUM_PARAMS = 35_746_307


class State(NamedTuple):
    params: Any
    opt_state: optax.OptState


def make_net(**options: Any) -> UNet:
    """Ho et al.'s for CIFAR-10, with other `options` than the defaults."""
    return UNet(
        out_channels=3,
        base_features=128,
        feature_mults=(1, 2, 2, 2),
        blocks_per_level=2,
        attention_at=(16,),
        dropout=DROPOUT,
        **options,
    )


def make_step(
    net: UNet,
) -> tuple[
    Callable[[Key[Array, ""]], State],
    Callable[[State, Array, Key[Array, ""]], tuple[State, Array]],
]:
    """Two functions, not compiled: key -> state; state, images, key -> state, loss.

    The step is to be compiled with its first argument donated.
    """
    log_snr = schedules.linear_beta(NUM_LATENTS).log_snr
    optimizer = make_optimizer(
        OPTIMIZERS["adam"].default,
        optax.constant_schedule(LEARNING_RATE),
        Moments(b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0),
        schedule_rate=1.0,
        clip_norm=CLIP_NORM,
    )

    def init(key: Key[Array, ""]) -> State:
        images, time = jnp.zeros((1, *IMAGE_SHAPE)), jnp.zeros(1)
        params = {"net": net.init(key, images, time, train=False)["params"]}
        return State(params, optimizer.init(params))

    def loss_fn(
        params: Any, x: Float[Array, "batch height width channels"], key: Array
    ) -> Float[Array, ""]:
        time_key, noise_key, dropout_key = jax.random.split(key, 3)
        index = jax.random.randint(time_key, (len(x),), 0, NUM_LATENTS)
        eps = jax.random.normal(noise_key, x.shape)
        z_t = gaussian.diffuse(x, eps, log_snr(index / (NUM_LATENTS - 1)))
        eps_hat: Any = net.apply(
            {"params": params["net"]},
            z_t,
            index.astype(jnp.float32),
            train=True,
            rngs={"dropout": dropout_key},
        )
        return jnp.mean(jnp.square(eps - eps_hat))

    def step(state: State, x: Array, key: Array) -> tuple[State, Array]:
        loss, grads = jax.value_and_grad(loss_fn)(state.params, x, key)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        return State(optax.apply_updates(state.params, updates), opt_state), loss

    return init, step


def lower(net: UNet, batch_size: int) -> jax.stages.Lowered:
    """The step for that batch, lowered from shapes alone: nothing is computed."""
    init, step = make_step(net)
    state = jax.eval_shape(init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((batch_size, *IMAGE_SHAPE), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    return jax.jit(step, donate_argnums=0).lower(state, images, key)


def compiled(lowered: jax.stages.Lowered, remat: bool) -> jax.stages.Compiled:
    """The program, as the trainer compiles it."""
    return lowered.compile(compiler_options=parallel.compiler_options(remat))


class Runner:
    """A compiled step with a state and one batch, to be called again and again."""

    def __init__(self, net: UNet, batch_size: int):
        init, _ = make_step(net)
        self._compiled = compiled(lower(net, batch_size), net.remat)
        self._state = jax.jit(init)(jax.random.key(0))
        self._images = jax.random.uniform(
            jax.random.key(1), (batch_size, *IMAGE_SHAPE), minval=-1.0
        )
        self._key = jax.random.key(2)

    def __call__(self, num_steps: int = 1) -> float:
        """The loss after so many steps, which it waits for."""
        for _ in range(num_steps):
            self._state, loss = self._compiled(self._state, self._images, self._key)
        return float(loss)
