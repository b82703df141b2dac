"""DPM-Solver++: exponential integration with x_hat as a polynomial in half log SNR.

Multistep methods interpolate the x_hat of earlier times; single-step methods take two or three
intervals of the grid as one step, and interpolate the x_hat within it (Lu et al. 2022,
arXiv:2211.01095). Both evaluate the network once at each time. Order 1 is DDIM.

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
    """The plan of multistep methods: a row for each step from a time t.

    Attributes:
      t: time of the evaluation.
      step: coefficients of the step.
      weights: weights of the x_hat at t and at earlier times.
    """

    t: Float[Array, "*rows"]
    step: exponential.Step
    weights: Float[Array, "*rows order"]


class _MultistepState(NamedTuple):
    """The latent, and the x_hat of earlier times."""

    z: Images
    previous: Float[Array, "past batch height width channels"]


def multistep(
    order: int = 2, eta: float = 0.0, lower_order_final: bool = True
) -> loop.Sampler:
    """The multistep DPM-Solver++ of order 1 to 3, the number of x_hat that a step combines.

    The first steps combine fewer. Order 2 is the paper's 2M. Order 3 integrates the parabola
    through three values exactly.

    Args:
      order: number of values of x_hat.
      eta: share of the reverse process's noise.
      lower_order_final: whether the last steps combine fewer values too, so that none
        extrapolates far where the grid's steps in log SNR grow.

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
        nodes = exponential.previous_nodes(lambdas, h, order)
        orders = exponential.step_orders(h.size, order, lower_order_final)
        moments = exponential.moments((1.0 + eta) * h, order)
        weights = exponential.weights_by_order(nodes, moments, orders)
        return MultistepPlan(times[:-1], step, weights.T)

    def init(z: Images) -> _MultistepState:
        return _MultistepState(z, jnp.zeros((order - 1, *z.shape), z.dtype))

    def step(
        state: _MultistepState,
        prediction: Prediction,
        row: MultistepPlan,
        noise: Images,
    ) -> _MultistepState:
        x_hats = jnp.concatenate([prediction.x[None], state.previous])
        z = exponential.advance(state.z, x_hats, row.step, row.weights)
        if eta > 0.0:
            z = z + row.step.std * noise
        return _MultistepState(z, x_hats[:-1])

    return loop.Sampler(plan, init, step)


class SingleStepPlan(NamedTuple):
    """The plan of single-step methods: a row for each time of a block of intervals.

    Attributes:
      t: time of the evaluation.
      is_first: whether t is the block's start.
      step: coefficients of the step from the block's start to the time after t.
      weights: weights of the x_hat at the block's start, and at t.
    """

    t: Float[Array, "*rows"]
    is_first: Bool[Array, "*rows"]
    step: exponential.Step
    weights: Float[Array, "*rows 2"]


class _SingleStepState(NamedTuple):
    """The latent, and the latent and x_hat at the start of the block."""

    z: Images
    start: Images
    x_start: Images


def single_step(order: int = 2) -> loop.Sampler:
    """The single-step DPM-Solver++ 2S or 3S: steps over two or three intervals of the grid.

    The inner times are the grid's own, so that a model is evaluated at no others. The order is
    reached if they are about evenly spaced in log SNR, as in all smooth grids that are fine.
    A remainder of the intervals makes the first step, where x_hat hardly varies.

    Args:
      order: number of intervals of a step, 2 or 3.

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
        last_weight = jnp.where(is_first, 0.0, slope / node)
        weights = jnp.stack([first - last_weight, last_weight], axis=-1)
        return SingleStepPlan(times[:-1], is_first, step, weights)

    def step(
        state: _SingleStepState,
        prediction: Prediction,
        row: SingleStepPlan,
        noise: Images,
    ) -> _SingleStepState:
        start = jnp.where(row.is_first, state.z, state.start)
        x_start = jnp.where(row.is_first, prediction.x, state.x_start)
        x_hats = jnp.stack([x_start, prediction.x])
        z = exponential.advance(start, x_hats, row.step, row.weights)
        return _SingleStepState(z, start, x_start)

    return loop.Sampler(plan, lambda z: _SingleStepState(z, z, jnp.zeros_like(z)), step)


def _positions(num_intervals: int, order: int) -> Int[np.ndarray, " intervals"]:
    """The position from 0 of each interval in its block; a shorter block comes first."""
    sizes = [order] * (num_intervals // order)
    remainder = num_intervals % order
    if remainder == 1 and order == 3 and sizes:
        sizes[0], remainder = 2, 2
    if remainder:
        sizes.insert(0, remainder)
    return np.concatenate([np.arange(0), *(np.arange(size) for size in sizes)])


def _multistep(options: "DpmSolver") -> loop.Sampler:
    return multistep(options.order, options.eta, options.lower_order_final)


def _single_step(options: "DpmSolver") -> loop.Sampler:
    if options.eta:
        raise ValueError(
            f"eta = {options.eta}: a single step draws no noise: write 0.0."
        )
    return single_step(options.order)


METHODS: Mapping[str, Callable[["DpmSolver"], loop.Sampler]] = {
    "multistep": _multistep,
    "single_step": _single_step,
}


@dataclasses.dataclass(frozen=True)
class DpmSolver(SamplerOptions):
    """Options of `multistep` and `single_step`."""

    method: str = option(
        "multistep",
        "Multistep (earlier x_hat) or single_step (x_hat within the step).",
        one_of=METHODS,
    )
    order: int = option(2, "Number of values of x_hat, 1 to 3.")
    eta: float = option(
        0.0, "Share of the reverse process's noise: 0 the ODE, 1 the SDE."
    )
    lower_order_final: bool = option(True, "The last steps combine fewer values.")


CHOICE = Choice(DpmSolver, lambda options, setting: METHODS[options.method](options))
