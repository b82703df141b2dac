"""Distances of two densities on one grid.

All but Wasserstein's are f-divergences, which no Markov kernel increases.
"""

import math

import numpy as np

from ddpm_jax.lab.densities import Density, Points

# Twice the least number that float64 has in full.
SMALLEST = 2.0 * float(np.finfo(np.float64).tiny)


def kl(p: Density, q: Density) -> float:
    """KL(p || q) in nats; infinite where q has no mass and p has."""
    _check_grids(p, q)
    return _kl(p.masses, q.masses)


def js(p: Density, q: Density) -> float:
    """The Jensen-Shannon divergence in bits, from 0 to 1 (Lin 1991, eq. 4.1)."""
    _check_grids(p, q)
    middle = 0.5 * (p.masses + q.masses)
    nats = 0.5 * _kl(p.masses, middle) + 0.5 * _kl(q.masses, middle)
    # Of nearly equal densities the sum of its many terms may round to below 0.
    return max(nats / math.log(2.0), 0.0)


def total_variation(p: Density, q: Density) -> float:
    """The greatest difference of a probability, half of the integral of |p - q|."""
    _check_grids(p, q)
    return 0.5 * float(np.abs(p.masses - q.masses).sum())


def wasserstein(p: Density, q: Density) -> float:
    """W1, the least mean distance by which mass is moved: the integral of |cdf_p - cdf_q|."""
    _check_grids(p, q)
    difference = np.cumsum(p.masses - q.masses)[:-1]
    return float(np.abs(difference).sum()) * p.grid.spacing


def _kl(p: Points, q: Points) -> float:
    # A mean of two smaller numbers may round to 0.
    held = p > SMALLEST
    with np.errstate(divide="ignore"):
        # p (log p - log q) + q - p, each term of which is at least 0.
        terms = p[held] * (np.log(p[held]) - np.log(q[held]))
    return float(np.sum(terms - p[held] + q[held]) + q[~held].sum())


def _check_grids(p: Density, q: Density) -> None:
    if p.grid != q.grid:
        raise ValueError(f"densities on {p.grid} and {q.grid}: put both on one grid.")
