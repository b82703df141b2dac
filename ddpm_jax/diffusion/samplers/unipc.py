"""UniPC: what is found at the end of a step mends the step, at no further question.

The predictor UniP-p leads to z~_s with the x_hat of p times; the network is asked there, as it
would be for the next step, and the corrector UniC-p goes from z_t again with that x_hat as one
more value, which raises the order to p + 1 (Zhao et al. 2023, arXiv:2302.04867, algorithms 1
and 2, with data prediction and B(h) = e^h - 1). Of exact weights B(h) divides out; it
stays in the rules of two values, which are the halved moments.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.model import LogSnr, Prediction
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import exponential, loop
from ddpm_jax.diffusion.samplers.setting import SamplerOptions


class Plan(NamedTuple):
    """At t: the step that led there once more, and the next.

    Attributes:
      t: when the network is asked.
      back: the step from the time before to t.
      mended: weights in it of the x_hat at t and at the times before.
      ahead: the step from t.
      weights: in it.
    """

    t: Float[Array, "*rows"]
    back: exponential.Step
    mended: Float[Array, "*rows values"]
    ahead: exponential.Step
    weights: Float[Array, "*rows order"]


class _State(NamedTuple):
    z: Images
    start: Images
    before: Float[Array, "order batch height width channels"]


def make(order: int = 2, lower_order_final: bool = True) -> loop.Sampler:
    """UniPC with the values of so many times, 1 to 3.

    The first steps have fewer, and if so wished the last, as in `dpm_solver.multistep`.

    Raises:
      ValueError: order is another number.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"order = {order}: write 1, 2 or 3.")

    def plan(log_snr: LogSnr, times: loop.Times) -> Plan:
        lambdas = 0.5 * log_snr(times)
        h = jnp.diff(lambdas)
        used = exponential.orders(h.size, order, lower_order_final)
        nodes = exponential.previous(lambdas, h, order)
        moments = exponential.moments(h, order + 1)
        ahead = exponential.step(2.0 * lambdas[:-1], 2.0 * lambdas[1:])
        weights = exponential.by_order(nodes, moments[:-1], used)
        # The node of the step's own end comes first, at u = h.
        own = jnp.concatenate([jnp.ones_like(nodes[:1]), nodes])
        mended = exponential.by_order(own, moments, used + 1)

        def shifted(a: Array) -> Array:
            """Of the step before; the first time has none, and a step of no length."""
            return jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]])

        back = exponential.Step(*map(shifted, ahead))
        back = back._replace(keep=back.keep.at[:1].set(1.0))
        return Plan(times[:-1], back, shifted(mended.T), ahead, weights.T)

    def init(z: Images) -> _State:
        return _State(z, z, jnp.zeros((order, *z.shape), z.dtype))

    def step(state: _State, prediction: Prediction, row: Plan, noise: Images) -> _State:
        known = jnp.concatenate([prediction.x[None], state.before])
        start = exponential.advanced(state.start, known, row.back, row.mended)
        z = exponential.advanced(start, known[:-1], row.ahead, row.weights)
        return _State(z, start, known[:-1])

    return loop.Sampler(plan, init, step)


@dataclasses.dataclass(frozen=True)
class UniPC(SamplerOptions):
    """Options of `make`."""

    order: int = option(2, "How many values: 1 to 3.")
    lower_order_final: bool = option(True, "The last steps have fewer values.")


CHOICE = Choice(UniPC, lambda o, setting: make(o.order, o.lower_order_final))
