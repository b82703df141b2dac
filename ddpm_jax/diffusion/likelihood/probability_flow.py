"""The probability flow: the ODE that removes a model's noise, and the density it defines.

    dz/dt = -1/2 dl/dt alpha sigma v_hat(z, t),     v = alpha eps - sigma x

has the same marginals as the reverse process if v_hat is exact (Song et al. 2021,
arXiv:2011.13456, eq. 13, for a variance-preserving process in log SNR l; with the score
-eps_hat / sigma it is 1/2 dl/dt sigma^2 (z + score)). Written in
v, no large numbers cancel at either end. The density at the start of the flow follows from
that at its end (ibid., eq. 39):

    log p(z_0) = log N(z_1; 0, I) + integral over t from 0 to 1 of div dz/dt

It is the exact density of the flow, up to the solver's error, which the tolerances bound step
by step. The flow is another model than the reverse process, whose bound is in `elbo`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from ddpm_jax.core.choice import Options, option
from ddpm_jax.diffusion.likelihood import terms
from ddpm_jax.diffusion.likelihood.divergence import Divergence
from ddpm_jax.diffusion.model import Diffusion
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.discretized_gaussian import LOG_SQRT_2PI
from ddpm_jax.diffusion.process.gaussian import Images

# Name -> (method, number of stages). The last stage of a step is the first of the next.
SOLVERS: dict[str, tuple[type[diffrax.AbstractERK], int]] = {
    "dopri5": (diffrax.Dopri5, 7),
    "tsit5": (diffrax.Tsit5, 7),
    "dopri8": (diffrax.Dopri8, 14),
}
# The length of the first step; the controller adapts it from there.
FIRST_STEP = 0.01


@dataclasses.dataclass(frozen=True)
class Solve:
    """Settings of the ODE's solver.

    Attributes:
      solver: one of `SOLVERS`, Runge-Kutta methods with an error estimate.
      rtol: relative error of a step that is tolerated.
      atol: absolute error that is tolerated. Both apply to the root mean square over z, and
        to the integral of the divergence per dimension.
      max_steps: limit on accepted and rejected steps together. A solve that needs more has
        not converged.
    """

    solver: str = "tsit5"
    rtol: float = 1e-5
    atol: float = 1e-5
    max_steps: int = 1000

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise ValueError(
                f"solver = {self.solver!r}: write one of {sorted(SOLVERS)}."
            )
        for name in ("rtol", "atol"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise ValueError(f"{name} = {value}: write a number in (0, 1).")
        if self.max_steps < 1:
            raise ValueError(f"max_steps = {self.max_steps}: write 1 or more.")


@dataclasses.dataclass(frozen=True)
class SolverOptions(Options):
    """Options of a `Solve`."""

    solver: str = option("tsit5", "Runge-Kutta method.", one_of=SOLVERS)
    rtol: float = option(1e-5, "Tolerated error of a step, relative.")
    atol: float = option(1e-5, "Tolerated error of a step, absolute.")
    max_steps: int = option(1000, "Limit on accepted and rejected steps.", at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.solve  # noqa: B018, checks the tolerances.

    @property
    def solve(self) -> Solve:
        """The settings of these options."""
        return Solve(self.solver, float(self.rtol), float(self.atol), self.max_steps)


class Flow(NamedTuple):
    """The flow of each example from z_0 to z_1.

    Attributes:
      z_1: end of the flow.
      log_prior: log N(z_1; 0, I), in nats.
      divergence: integral of the divergence over the flow, in nats.
      num_steps: steps of the solver, rejected ones too.
      converged: False where the solver failed, and the other numbers mean nothing.
    """

    z_1: Images
    log_prior: Float[Array, " batch"]
    divergence: Float[Array, " batch"]
    num_steps: Int[Array, " batch"]
    converged: Bool[Array, " batch"]

    @property
    def log_density(self) -> Float[Array, " batch"]:
        """log p(z_0) of each example, nats."""
        return self.log_prior + self.divergence


def velocity(diffusion: Diffusion, z_t: Images, t: Float[Array, " batch"]) -> Images:
    """dz/dt of the probability flow."""
    at = terms.coordinates(diffusion.log_snr, t)
    alpha, sigma = gaussian.alpha_sigma(gaussian.per_example(at.log_snr))
    prediction = diffusion.denoise(z_t, t)
    v = alpha * prediction.eps - sigma * prediction.x
    return -0.5 * gaussian.per_example(at.slope) * alpha * sigma * v


def forward(
    diffusion: Diffusion,
    z_0: Images,
    keys: Key[Array, " batch"],
    divergence: Divergence,
    solve: Solve,
) -> Flow:
    """Follows the flow from z_0 to z_1, each example by steps of its own.

    Args:
      diffusion: the model.
      z_0: [batch, height, width, channels]; its dtype is that of the solve.
      keys: one for each example, for the probes of an estimated divergence.
      divergence: method for the divergence of dz/dt.
      solve: settings of the ODE's solver.
    """
    height, width, channels = z_0.shape[1:]
    num_dims = height * width * channels

    def solve_one(number: Array, z: Array, key: Array) -> Flow:
        model = diffusion.take(number[None])
        probes = divergence.probes(key, (height, width, channels), z.dtype)

        def field(t: Any, state: tuple[Array, Array], _: Any) -> tuple[Array, Array]:
            def at_t(z: Array) -> Array:
                return velocity(model, z[None], t[None])[0]

            dz, div = divergence.at(at_t, state[0], probes)
            return dz, div / num_dims

        start = (z, jnp.zeros((), z.dtype))
        (z_1, integral), num_steps, succeeded = _solve(field, start, 0.0, 1.0, solve)
        integral = integral * num_dims
        log_prior = -jnp.sum(0.5 * jnp.square(z_1) + LOG_SQRT_2PI)
        converged = succeeded & jnp.isfinite(log_prior + integral)
        return Flow(z_1, log_prior, integral, num_steps, converged)

    return jax.vmap(solve_one)(jnp.arange(z_0.shape[0]), z_0, keys)


class Sample(NamedTuple):
    """The end of each example's flow at t = 0; other attributes are those of `Flow`."""

    z_0: Images
    num_steps: Int[Array, " batch"]
    converged: Bool[Array, " batch"]


def backward(
    diffusion: Diffusion, z_1: Images, solve: Solve, start: float = 1.0
) -> Sample:
    """Follows the flow from z_1 to z_0, each example by steps of its own.

    Args:
      diffusion: the model.
      z_1: [batch, height, width, channels]; its dtype is that of the solve.
      solve: settings of the ODE's solver.
      start: the time of z_1, if another than 1.

    Raises:
      ValueError: start is not in (0, 1].
    """
    if not 0.0 < start <= 1.0:
        raise ValueError(f"start = {start}: write a number in (0, 1].")

    def solve_one(number: Array, z: Array) -> Sample:
        model = diffusion.take(number[None])

        def field(t: Any, z: Array, _: Any) -> Array:
            return velocity(model, z[None], t[None])[0]

        z_0, num_steps, succeeded = _solve(field, z, start, 0.0, solve)
        return Sample(z_0, num_steps, succeeded & jnp.all(jnp.isfinite(z_0)))

    return jax.vmap(solve_one)(jnp.arange(z_1.shape[0]), z_1)


def _solve(
    field: Callable[[Any, Any, Any], Any],
    start: Any,
    first: float,
    last: float,
    solve: Solve,
) -> tuple[Any, Array, Array]:
    """Solves an ODE: the state at the last time, the steps taken, and whether it succeeded."""
    method, _ = SOLVERS[solve.solver]
    dtype = jax.tree.leaves(start)[0].dtype
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        method(),
        t0=jnp.asarray(first, dtype),
        t1=jnp.asarray(last, dtype),
        dt0=jnp.asarray(FIRST_STEP if last > first else -FIRST_STEP, dtype),
        y0=start,
        stepsize_controller=diffrax.PIDController(
            solve.rtol, solve.atol, norm=_largest_root_mean_square
        ),
        max_steps=solve.max_steps,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    succeeded = solution.result == diffrax.RESULTS.successful
    end = jax.tree.map(lambda a: a[0], solution.ys)
    return end, jnp.asarray(solution.stats["num_steps"]), succeeded


def num_evaluations(
    num_steps: Int[Array, " batch"], solve: Solve
) -> Int[Array, " batch"]:
    """The number of evaluations of the field in so many steps."""
    _, stages = SOLVERS[solve.solver]
    return 1 + (stages - 1) * num_steps


def _largest_root_mean_square(parts: Any) -> Array:
    """The norm of the solver's error: the largest root mean square of its parts."""
    norms = [jnp.sqrt(jnp.mean(jnp.square(part))) for part in jax.tree.leaves(parts)]
    return jnp.max(jnp.stack(norms))
