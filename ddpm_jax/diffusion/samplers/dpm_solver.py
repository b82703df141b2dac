"""DPM-Solver++: exponential integration with x_hat as a polynomial in half log SNR.

MultistepPlan methods put it through the x_hat of times before; single-step ones go over two or
three times of the grid as one step, and through the x_hat found on the way (Lu et al. 2022,
arXiv:2211.01095). Either asks the network once a time. Order 1 is DDIM.

With eta = 1 the multistep ones are SDE-DPM-Solver++: order 1 is ancestral sampling with
the posterior's variance, 2 is 2M-SDE (ibid., section 4.3), 3 is 3M-SDE.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from ddpm_jax.core.choice import Choice, option
from ddpm_jax.diffusion.model import LogSnr, Prediction
from ddpm_jax.diffusion.process.gaussian import Images
from ddpm_jax.diffusion.samplers import exponential, loop
from ddpm_jax.diffusion.samplers.setting import SamplerOptions


class MultistepPlan(NamedTuple):
    """A step from t, with what the x_hat of this time and those before count in it."""

    t: Float[Array, "*rows"]
    step: exponential.Step
    weights: Float[Array, "*rows order"]


class _MultistepState(NamedTuple):
    z: Images
    before: Float[Array, "past batch height width channels"]


def multistep(
    order: int = 2, eta: float = 0.0, lower_order_final: bool = True
) -> loop.Sampler:
    """DPM-Solver++ of order 1 to 3 from the x_hat of so many times; the first have fewer.

    Order 2 is the paper's 2M. Order 3 integrates the parabola through three values
    exactly.

    Args:
      order: how many values.
      eta: the share of the reverse process's noise.
      lower_order_final: the last steps have fewer values too, so that none reaches far
        ahead of them where the grid's steps in log SNR grow.

    Raises:
      ValueError: order is not 1, 2 or 3, or eta not in [0, 1].
    """
    if order not in (1, 2, 3):
        raise ValueError(f"order = {order}: write 1, 2 or 3.")
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta = {eta} is not in [0, 1]: 0 draws no noise.")

    def plan(log_snr: LogSnr, times: loop.Times) -> MultistepPlan:
        lambdas = 0.5 * log_snr(times)
        h = jnp.diff(lambdas)
        step = exponential.step(2.0 * lambdas[:-1], 2.0 * lambdas[1:], eta)
        nodes = exponential.previous(lambdas, h, order)
        used = exponential.orders(h.size, order, lower_order_final)
        moments = exponential.moments((1.0 + eta) * h, order)
        weights = exponential.by_order(nodes, moments, used)
        return MultistepPlan(times[:-1], step, weights.T)

    def init(z: Images) -> _MultistepState:
        return _MultistepState(z, jnp.zeros((order - 1, *z.shape), z.dtype))

    def step(
        state: _MultistepState,
        prediction: Prediction,
        row: MultistepPlan,
        noise: Images,
    ) -> _MultistepState:
        known = jnp.concatenate([prediction.x[None], state.before])
        z = exponential.advanced(state.z, known, row.step, row.weights)
        if eta > 0.0:
            z = z + row.step.std * noise
        return _MultistepState(z, known[:-1])

    return loop.Sampler(plan, init, step)


class SingleStepPlan(NamedTuple):
    """A way from the start of a block to its next time.

    Attributes:
      t: when the network is asked.
      is_first: whether it is asked at the block's start.
      step: from the block's start.
      weights: of the x_hat there, and of the one at t.
    """

    t: Float[Array, "*rows"]
    is_first: Bool[Array, "*rows"]
    step: exponential.Step
    weights: Float[Array, "*rows 2"]


class _SingleStepState(NamedTuple):
    z: Images
    start: Images
    x_start: Images


def single_step(order: int = 2) -> loop.Sampler:
    """DPM-Solver++ 2S or 3S: steps over two or three intervals of the grid.

    The inner times are the grid's own, so that a model is asked at no others. Its order needs
    them about evenly spaced in log SNR, which all smooth grids are as they grow finer. What
    the intervals leave over goes first, where x_hat hardly moves.

    Args:
      order: 2 or 3, intervals of a step.

    Raises:
      ValueError: order is another number.
    """
    if order not in (2, 3):
        raise ValueError(f"order = {order}: a single step has order 2 or 3.")

    def plan(log_snr: LogSnr, times: loop.Times) -> SingleStepPlan:
        position = _positions(times.size - 1, order)
        ends = np.arange(1, times.size)
        starts = ends - 1 - position
        lambdas = 0.5 * log_snr(times)
        h = lambdas[ends] - lambdas[starts]
        step = exponential.step(2.0 * lambdas[starts], 2.0 * lambdas[ends])
        first, slope = exponential.moments(h, 2)
        if order == 2:
            slope = 0.5 * first
        # At the start of a block there is no slope yet.
        is_first = jnp.asarray(position == 0)
        node = jnp.where(is_first, 1.0, (lambdas[ends - 1] - lambdas[starts]) / h)
        of_last = jnp.where(is_first, 0.0, slope / node)
        weights = jnp.stack([first - of_last, of_last], axis=-1)
        return SingleStepPlan(times[:-1], is_first, step, weights)

    def step(
        state: _SingleStepState,
        prediction: Prediction,
        row: SingleStepPlan,
        noise: Images,
    ) -> _SingleStepState:
        start = jnp.where(row.is_first, state.z, state.start)
        x_start = jnp.where(row.is_first, prediction.x, state.x_start)
        known = jnp.stack([x_start, prediction.x])
        z = exponential.advanced(start, known, row.step, row.weights)
        return _SingleStepState(z, start, x_start)

    return loop.Sampler(plan, lambda z: _SingleStepState(z, z, jnp.zeros_like(z)), step)


def _positions(num_intervals: int, order: int) -> Int[np.ndarray, " intervals"]:
    """Of each interval in its block, from 0; shorter blocks first, none of 1 if avoidable."""
    sizes = [order] * (num_intervals // order)
    rest = num_intervals % order
    if rest == 1 and order == 3 and sizes:
        sizes[0], rest = 2, 2
    if rest:
        sizes.insert(0, rest)
    return np.concatenate([np.arange(0), *(np.arange(size) for size in sizes)])


def _multistep(o: "DpmSolver") -> loop.Sampler:
    return multistep(o.order, o.eta, o.lower_order_final)


def _single_step(o: "DpmSolver") -> loop.Sampler:
    if o.eta:
        raise ValueError(f"eta = {o.eta}: a single step draws no noise: write 0.0.")
    return single_step(o.order)


METHODS: Mapping[str, Callable[["DpmSolver"], loop.Sampler]] = {
    "multistep": _multistep,
    "single_step": _single_step,
}


@dataclasses.dataclass(frozen=True)
class DpmSolver(SamplerOptions):
    """Options of `multistep` and `single_step`."""

    method: str = option(
        "multistep", "Values of earlier times, or of times within.", one_of=METHODS
    )
    order: int = option(2, "How many values: 1 to 3.")
    eta: float = option(
        0.0, "Of the rate of the reverse process's noise: 0 the ODE, 1 the SDE."
    )
    lower_order_final: bool = option(True, "The last steps have fewer values.")


CHOICE = Choice(DpmSolver, lambda o, setting: METHODS[o.method](o))
