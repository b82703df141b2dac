"""Contraction of the reverse step: by how much, how fast, and to which fixed point.

No Markov kernel increases an f-divergence (data processing), and one whose columns differ in
total variation by at most eta contracts every f-divergence at least by eta (Dobrushin 1956;
Cohen et al. 1993; Polyanskiy & Wu 2017, arXiv:1508.06025, theorem 1).

The forward step is reversible with respect to phi = N(0, 1): q(y | x) phi(x) is symmetric in x
and y. With q_t the density after the step, the reverse kernel is

    R(x | y) = q(x)/phi(x) * [q(y | x) phi(x)] * 1/q_t(y),

a symmetric positive kernel between two factors. So R is reversible too, its eigenvalues are
real and in [0, 1], and its stationary law is in closed form:

    pi(x) = q(x) q_t(x) / phi(x), normalised,

as R(x | y) pi(y) = q(x)/phi(x) q(y | x) q(y) / phi(y) phi(x), integrated over y, shows. It is
not q. For alpha -> 0 it tends to q, for alpha -> 1 to q(x)^2 exp(x^2/2). Iterated, the error
shrinks by the second eigenvalue a step.
"""

import numpy as np
import scipy.sparse.linalg
import scipy.spatial.distance
from scipy.special import logsumexp

from ddpm_jax.lab import operators
from ddpm_jax.lab.densities import Density, Points, of_logs
from ddpm_jax.lab.operators import Kernel


def dobrushin(kernel: Kernel, low: float = -np.inf, high: float = np.inf) -> float:
    """Dobrushin's coefficient: the greatest total variation of two columns.

    Of the reverse kernels, whose columns are ordered by likelihood ratio, it is that of the
    outermost two; on the whole line it is 1 for most densities.

    Args:
      kernel: any kernel.
      low: with `high`, the range of points to come from: the coefficient is that for any two
        densities with all their mass there.
      high: its upper end.
    """
    points = kernel.grid.points
    columns = kernel.matrix.T[(points >= low) & (points <= high)]
    if len(columns) < 2:
        raise ValueError(f"low = {low}, high = {high}: fewer than 2 points lie there.")
    furthest = scipy.spatial.distance.pdist(columns, "cityblock").max()
    return min(0.5 * float(furthest), 1.0)


def stationary(before: Density, alpha: float) -> Density:
    """The stationary law pi of the reverse kernel, in closed form.

    Args:
      before: the density q that the kernel gives back.
      alpha: of the step.

    Raises:
      ValueError: pi does not vanish at the grid's ends, as for Gaussians wider than N(0, 1),
        whose reverse kernel has no stationary law.
    """
    logs = _log_stationary(before, alpha)
    if max(logs[0], logs[-1]) > logs.max() - 20.0:
        raise ValueError(
            f"alpha = {alpha}: q(x) q_t(x) / N(x; 0, 1) does not vanish at the grid's ends,"
            " so the reverse step has no stationary law there; write a density narrower"
            " than N(0, 1) in its tails, or a wider grid."
        )
    return of_logs(before.grid, logs)


def frozen_limit(before: Density) -> Density:
    """The limit of `stationary` for alpha -> 1: q(x)^2 exp(x^2/2), normalised.

    It is the stationary law of the reverse diffusion dx = (x + 2 grad log q) ds + sqrt(2) dw
    whose score is frozen at q's.
    """
    logs = 2.0 * before.log_masses + 0.5 * np.square(before.grid.points)
    return of_logs(before.grid, logs)


def eigenvalues(before: Density, alpha: float, num: int = 2) -> Points:
    """The greatest eigenvalues of the reverse kernel, 1 first, in falling order.

    Args:
      before: the density that the kernel gives back.
      alpha: of the step.
      num: how many.
    """
    log_pi = _log_stationary(before, alpha)
    logs = operators.log_reverse(before, alpha)
    held = np.isfinite(log_pi)
    # sqrt(pi(y) / pi(x)) R(x | y) is symmetric, and has the same eigenvalues.
    logs = logs[np.ix_(held, held)] + 0.5 * (log_pi[held] - log_pi[held, None])
    symmetric = np.exp(0.5 * (logs + logs.T))
    start = np.exp(0.5 * (log_pi[held] - log_pi.max()))
    values = scipy.sparse.linalg.eigsh(
        symmetric, num, which="LA", v0=start + 1e-3, return_eigenvectors=False
    )
    return np.sort(values)[::-1]


def iterated(kernel: Kernel, start: Density, num: int) -> list[Density]:
    """`start` and the densities after 1 .. num steps of one kernel."""
    densities = [start]
    for _ in range(num):
        densities.append(kernel.apply(densities[-1]))
    return densities


def _log_stationary(before: Density, alpha: float) -> Points:
    log_after = logsumexp(
        operators.log_forward(before.grid, alpha) + before.log_masses, axis=1
    )
    return before.log_masses + log_after + 0.5 * np.square(before.grid.points)
