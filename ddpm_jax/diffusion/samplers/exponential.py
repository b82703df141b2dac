"""Exponential integration in half log SNR, the common part of high-order samplers.

With lambda = log_snr / 2 the reverse process with the share eta of its noise is solved by

    z_s = sigma_s/sigma_t e^{-eta h} z_t + alpha_s I + sigma_s sqrt(1 - e^{-2 eta h}) noise
    I   = integral over u from 0 to h of kappa e^{-kappa (h - u)} x_hat(lambda_t + u) du

with h = lambda_s - lambda_t > 0 and kappa = 1 + eta: the probability flow at eta = 0, the
diffusion at eta = 1 (Lu et al. 2022, arXiv:2211.01095, propositions 4.1 and 4.2 for
these two). With x_hat replaced by the polynomial through known values, I is a sum of these
values with weights that depend on the times alone, which this module computes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.diffusion.process.gaussian import Images

# Below this kappa h, moments are computed by quadrature: their recursion would cancel.
SMALL = 1.0


class Step(NamedTuple):
    """Coefficients of a step, z_s = keep z_t + scale I + std noise."""

    keep: Float[Array, "..."]
    scale: Float[Array, "..."]
    std: Float[Array, "..."]


def step(
    log_snr_t: Float[Array, "..."], log_snr_s: Float[Array, "..."], eta: float = 0.0
) -> Step:
    """The coefficients of the step from t to s."""
    h = 0.5 * (log_snr_s - log_snr_t)
    alpha_s, sigma_s = gaussian.alpha_sigma(log_snr_s)
    log_ratio = 0.5 * (jax.nn.log_sigmoid(-log_snr_s) - jax.nn.log_sigmoid(-log_snr_t))
    std = sigma_s * jnp.sqrt(-jnp.expm1(-2.0 * eta * h))
    return Step(jnp.exp(log_ratio - eta * h), alpha_s, std)


def moments(x: Float[Array, "..."], num: int) -> Float[Array, "num ..."]:
    """Integrals over v in [0, 1] of x e^{-x (1 - v)} v^k, for k below num; x = kappa h.

    Moment k is 1 - k/x times moment k-1, which cancels for small x.
    """
    points, weights = np.polynomial.legendre.leggauss(8)
    small = jnp.minimum(x, SMALL)
    large = jnp.maximum(x, SMALL)
    by_quadrature = [
        sum(
            0.5 * w * small * jnp.exp(-small * (0.5 - 0.5 * p)) * (0.5 + 0.5 * p) ** k
            for p, w in zip(points.tolist(), weights.tolist(), strict=True)
        )
        for k in range(num)
    ]
    by_recursion = [-jnp.expm1(-large)]
    for k in range(1, num):
        by_recursion.append(1.0 - k / large * by_recursion[-1])
    return jnp.where(x < SMALL, jnp.stack(by_quadrature), jnp.stack(by_recursion))


def weights(
    nodes: Float[Array, "num ..."], moments: Float[Array, "num ..."]
) -> Float[Array, "num ..."]:
    """Quadrature weights at the nodes that integrate the powers below num to given moments.

    The algorithm of Bjorck & Pereyra 1970 (doi:10.2307/2004623) for Vandermonde systems: no
    inverse is formed and small steps lose no digits.

    Args:
      nodes: distinct positions u/h of the values.
      moments: integrals of the powers of u/h.
    """
    num = nodes.shape[0]
    b = list(moments)
    for k in range(num - 1):
        for i in range(num - 1, k, -1):
            b[i] = b[i] - nodes[k] * b[i - 1]
    for k in range(num - 2, -1, -1):
        for i in range(k + 1, num):
            b[i] = b[i] / (nodes[i] - nodes[i - k - 1])
        for i in range(k, num - 1):
            b[i] = b[i] - b[i + 1]
    return jnp.stack(b)


def halved_moments(moments: Float[Array, "num ..."]) -> Float[Array, "2 ..."]:
    """The two moments of "midpoint" rules, in which the second is half of the first.

    They are exact to first order in h (Lu et al. 2022, arXiv:2211.01095, algorithms 1 and 2),
    and limit the weight of the slope in a long step.
    """
    return jnp.stack([moments[0], 0.5 * moments[0]])


def previous_nodes(
    lambdas: Float[Array, " num_times"], h: Float[Array, " num_steps"], num: int
) -> Float[Array, "num num_steps"]:
    """The nodes of earlier values: (lambda_{k-j} - lambda_k) / h_k for j below num.

    Where there is no earlier value the node is -j, which no order in use has a weight for.
    """
    k = jnp.arange(h.shape[0])
    rows = []
    for j in range(num):
        node = (lambdas[jnp.maximum(k - j, 0)] - lambdas[k]) / h
        rows.append(jnp.where(k >= j, node, -float(j)))
    return jnp.stack(rows)


def step_orders(
    num_steps: int, order: int, lower_final: bool
) -> Int[np.ndarray, " steps"]:
    """The order of each step: lower for the first and, with `lower_final`, for the last."""
    available = np.arange(1, num_steps + 1)
    remaining = available[::-1] if lower_final else np.full(num_steps, order)
    return np.minimum(np.minimum(available, remaining), order)


def weights_by_order(
    nodes: Float[Array, "num ..."],
    all_moments: Float[Array, "num ..."],
    order: Int[np.ndarray, "..."],
) -> Float[Array, "num ..."]:
    """Weights of the first `order` nodes, 0 for the others; order 2 takes halved moments."""
    num = nodes.shape[0]
    result = jnp.zeros_like(nodes)
    for used in range(1, num + 1):
        moments = halved_moments(all_moments) if used == 2 else all_moments[:used]
        padded = jnp.pad(
            weights(nodes[:used], moments),
            [(0, num - used)] + [(0, 0)] * (nodes.ndim - 1),
        )
        result = jnp.where(jnp.asarray(order == used), padded, result)
    return result


def advance(
    z: Images,
    x_hats: Float[Array, "num batch height width channels"],
    step: Step,
    weights: Float[Array, " num"],
) -> Images:
    """Takes a step without its noise: keep z + scale times the weighted sum of x_hat."""
    total = step.keep * z
    for x_hat, weight in zip(x_hats, weights, strict=True):
        total = total + step.scale * weight * x_hat
    return total
