"""Rows of evaluations, drawn rather than measured."""

import numpy as np

from ddpm_jax.evaluation.results.rows import Rows

TERMS = ("prior", "diffusion", "reconstruction")


def rows(seed: int, num: int = 12) -> Rows:
    """Of images 3, 4, ...: two batches' worth, all of them converged and finite."""
    rng = np.random.default_rng(seed)
    nats = {f"nats.{name}": rng.normal(100.0, 20.0, num) for name in TERMS}
    variance = {f"variance.{name}": rng.uniform(1.0, 9.0, num) for name in TERMS}
    halves = rng.normal(300.0, 5.0, (num, 2))
    return {
        "index": np.arange(3, 3 + num),
        "evaluations": rng.integers(4, 9, num).astype(np.float64),
        "converged": np.ones(num, bool),
        "halves": halves,
        **nats,
        "nats.total": sum(nats.values()),
        **variance,
        "variance.total": sum(variance.values()),
    }
