"""UniPC: the evaluation at the end of a step also corrects the step, at no further cost.

The predictor UniP-p leads to z~_s with the x_hat of p times; the network is evaluated there,
as it would be for the next step, and the corrector UniC-p steps from z_t again with that x_hat
as one more value, which raises the order to p + 1 (Zhao et al. 2023, arXiv:2302.04867,
algorithms 1 and 2, with data prediction and B(h) = e^h - 1). From exact weights B(h) cancels;
it remains in the rules of two values, which are the halved moments.
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
    """The plan: a row for each evaluation, with the last step's correction and the next step.

    Attributes:
      t: time of the evaluation.
      corrector: coefficients of the step from the previous time to t.
      corrector_weights: weights in it of the x_hat at t and at earlier times.
      predictor: coefficients of the step from t.
      predictor_weights: weights in it of the x_hat at t and at earlier times.
    """

    t: Float[Array, "*rows"]
    corrector: exponential.Step
    corrector_weights: Float[Array, "*rows values"]
    predictor: exponential.Step
    predictor_weights: Float[Array, "*rows order"]


class _State(NamedTuple):
    """The predicted latent, the corrected one at the last time, and x_hat of earlier times."""

    z: Images
    start: Images
    previous: Float[Array, "order batch height width channels"]


def make(order: int = 2, lower_order_final: bool = True) -> loop.Sampler:
    """The UniPC sampler of order 1 to 3, the number of x_hat that the predictor combines.

    The first steps combine fewer, and with lower_order_final the last, as in
    `dpm_solver.multistep`.

    Raises:
      ValueError: order is another number.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"order = {order}: write 1, 2 or 3.")

    def plan(log_snr: LogSnr, times: loop.Times) -> Plan:
        lambdas = 0.5 * log_snr(times)
        h = jnp.diff(lambdas)
        orders = exponential.step_orders(h.size, order, lower_order_final)
        nodes = exponential.previous_nodes(lambdas, h, order)
        moments = exponential.moments(h, order + 1)
        predictor = exponential.step(2.0 * lambdas[:-1], 2.0 * lambdas[1:])
        weights = exponential.weights_by_order(nodes, moments[:-1], orders)
        # The node at the step's own end comes first, at u = h.
        corrector_nodes = jnp.concatenate([jnp.ones_like(nodes[:1]), nodes])
        corrector_weights = exponential.weights_by_order(
            corrector_nodes, moments, orders + 1
        )

        def shifted(a: Array) -> Array:
            """Rows moved to the next step; the first time has no step before it."""
            return jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]])

        corrector = exponential.Step(*map(shifted, predictor))
        corrector = corrector._replace(keep=corrector.keep.at[:1].set(1.0))
        return Plan(
            times[:-1], corrector, shifted(corrector_weights.T), predictor, weights.T
        )

    def init(z: Images) -> _State:
        return _State(z, z, jnp.zeros((order, *z.shape), z.dtype))

    def step(state: _State, prediction: Prediction, row: Plan, noise: Images) -> _State:
        x_hats = jnp.concatenate([prediction.x[None], state.previous])
        start = exponential.advance(
            state.start, x_hats, row.corrector, row.corrector_weights
        )
        z = exponential.advance(
            start, x_hats[:-1], row.predictor, row.predictor_weights
        )
        return _State(z, start, x_hats[:-1])

    return loop.Sampler(plan, init, step)


@dataclasses.dataclass(frozen=True)
class UniPC(SamplerOptions):
    """Options of `make`."""

    order: int = option(2, "Number of values of x_hat, 1 to 3.")
    lower_order_final: bool = option(True, "The last steps combine fewer values.")


CHOICE = Choice(
    UniPC, lambda options, setting: make(options.order, options.lower_order_final)
)
