"""Tables of betas: the variances that the steps of a discrete DDPM add.

    q(z_k | z_{k-1}) = N(sqrt(1 - beta_k) z_{k-1}, beta_k),      z_{-1} = x,

k = 0..T-1 (Ho et al. 2020, arXiv:2006.11239, eq. 2, counted from 0). Every table is a
numpy float64 array [num_steps] in (0, 1), built once, before anything is compiled.
"""

import math

import numpy as np

Table = np.ndarray


def linear(
    num_steps: int, beta_start: float, beta_end: float, rescale: bool = False
) -> Table:
    """Evenly spaced betas: section 4 of Ho et al. 2020.

    With `rescale` they are multiplied by 1000/T, which keeps the noise at the end about
    the same for any number of steps (Nichol & Dhariwal 2021, arXiv:2102.09672).
    """
    _check_num_steps(num_steps)
    _check_fraction("beta_start", beta_start)
    _check_fraction("beta_end", beta_end)
    table = np.linspace(beta_start, beta_end, num_steps)
    if not rescale:
        return table
    table *= 1000 / num_steps
    if table.max() >= 1.0:
        fewest = math.floor(1000 * max(beta_start, beta_end)) + 1
        raise ValueError(
            f"{num_steps=} with rescale makes the largest beta {table.max():.4g}, but "
            f"it must be below 1: with {beta_start=} and {beta_end=} the fewest steps "
            f"that work are {fewest}"
        )
    return table


def quadratic(num_steps: int, beta_start: float, beta_end: float) -> Table:
    """Betas with evenly spaced square roots, the "quad" of Ho et al. 2020's code."""
    _check_num_steps(num_steps)
    _check_fraction("beta_start", beta_start)
    _check_fraction("beta_end", beta_end)
    return np.linspace(math.sqrt(beta_start), math.sqrt(beta_end), num_steps) ** 2


def cosine(num_steps: int, offset: float, max_beta: float) -> Table:
    """Betas of alpha_bar(u) = cos^2(pi/2 (u + s)/(1 + s)), u = k/T, cut at `max_beta`.

    Nichol & Dhariwal 2021 (arXiv:2102.09672), eq. 17, with s = `offset`. The cut keeps
    the last beta, which would be 1, from losing all signal.
    """
    _check_num_steps(num_steps)
    _check_fraction("max_beta", max_beta)
    if not 0.0 <= offset < math.inf:
        raise ValueError(
            f"{offset=}: it must be finite and not negative, such as 0.008"
        )
    u = np.arange(num_steps + 1) / num_steps
    angle = 0.5 * np.pi * (u + offset) / (1.0 + offset)
    before, after = angle[:-1], angle[1:]
    # cos^2(a) - cos^2(b) = sin(b - a) sin(b + a), with no difference of near-equals.
    table = np.sin(after - before) * np.sin(after + before) / np.cos(before) ** 2
    return np.minimum(table, max_beta)


def sigmoid(
    num_steps: int, beta_start: float, beta_end: float, sharpness: float
) -> Table:
    """Betas along a logistic curve, between its values at -sharpness and +sharpness.

    Xu et al. 2022 (GeoDiff, arXiv:2203.02923) with sharpness 6. The table's ends come
    within sigmoid(-sharpness) (beta_end - beta_start) of `beta_start` and `beta_end`.
    """
    _check_num_steps(num_steps)
    _check_fraction("beta_start", beta_start)
    _check_fraction("beta_end", beta_end)
    if not 0.0 < sharpness < math.inf:
        raise ValueError(f"{sharpness=}: it must be finite and positive, such as 6.0")
    curve = 1.0 / (1.0 + np.exp(-np.linspace(-sharpness, sharpness, num_steps)))
    return beta_start + (beta_end - beta_start) * curve


def constant(num_steps: int, beta: float) -> Table:
    """The same beta at every step."""
    _check_num_steps(num_steps)
    _check_fraction("beta", beta)
    return np.full(num_steps, float(beta))


def log_snr(table: Table) -> Table:
    """log(alpha_bar / (1 - alpha_bar)) after each step, from log alpha_bar alone.

    1 - alpha_bar is 1e-4 after the first step of a DDPM: as -expm1(log alpha_bar) it
    keeps all its digits.
    """
    log_alpha_bar = np.cumsum(np.log1p(-table))
    return log_alpha_bar - np.log(-np.expm1(log_alpha_bar))


def check(table: Table) -> Table:
    """The table as float64, after a check of its shape and range that names a wrong entry."""
    table = np.asarray(table, np.float64)
    if table.ndim != 1 or table.size < 2:
        raise ValueError(
            f"betas has shape {table.shape}: it must be one-dimensional with at "
            "least 2 entries, one a step"
        )
    wrong = ~((table > 0.0) & (table < 1.0))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(
            f"betas[{k}] = {table[k]}: every beta must lie strictly between 0 and 1"
        )
    return table


def _check_num_steps(num_steps: int) -> None:
    if num_steps < 2:
        raise ValueError(f"{num_steps=}: a model needs at least 2 steps")


def _check_fraction(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name}={value}: it must lie strictly between 0 and 1")
