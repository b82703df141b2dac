"""Nats of a density and their excess over the truth, by formulas of numpy."""

import math

import numpy as np
import pytest

from ddpm_jax.evaluation.results import density
from ddpm_jax.evaluation.results.density import Truth

NUM = 50
RNG = np.random.default_rng(0)
LOG_P = -1.5 + RNG.normal(size=NUM)
NATS = 0.2 - LOG_P + 0.1 * RNG.normal(size=NUM)
VARIANCE = RNG.uniform(0.01, 0.04, NUM)
USED = np.arange(NUM) % 7 != 0
TRUTH = Truth(entropy=1.5, entropy_error=0.01, log_density=LOG_P)


def test_nats_are_means_with_both_errors():
    found = density.made(NATS, VARIANCE, USED, 3, None)
    assert found.keys() == {"nats_per_point"}
    nats, num = NATS[USED], USED.sum()
    expected = {
        "nats": nats.mean(),
        "stderr": math.sqrt(VARIANCE[USED].sum()) / num,
        "stderr_points": nats.std(ddof=1) / math.sqrt(num),
    }
    assert found["nats_per_point"] == pytest.approx(expected, rel=1e-12)


def test_the_excess_is_paired_point_by_point():
    found = density.made(NATS, VARIANCE, USED, 3, TRUTH)
    excess = (NATS + LOG_P)[USED]
    assert found["excess_over_the_truth"] == pytest.approx(
        {
            "nats": excess.mean(),
            "stderr": math.sqrt(VARIANCE[USED].sum()) / excess.size,
            "stderr_points": excess.std(ddof=1) / math.sqrt(excess.size),
            "bits_per_dim": excess.mean() / 3 / math.log(2.0),
        },
        rel=1e-12,
    )
    # What the points themselves vary by is in the error of their nats alone.
    assert found["excess_over_the_truth"]["stderr_points"] < 0.02
    assert found["nats_per_point"]["stderr_points"] > 0.1
    assert found["entropy_of_the_truth"] == {
        "nats": 1.5,
        "stderr": 0.01,
        "bits_per_dim": 1.5 / (3 * math.log(2.0)),
    }


def test_the_truths_own_density_has_no_excess_and_anothers_has_its_divergence():
    """N(0, 1) against N(m, 1): KL = m^2 / 2, within four errors over points."""
    x = np.random.default_rng(1).normal(size=20_000)
    none, used = np.zeros(x.size), np.ones(x.size, bool)
    log_p = -0.5 * x**2 - 0.5 * math.log(2.0 * math.pi)
    truth = Truth(0.5 * math.log(2.0 * math.pi * math.e), 0.0, log_p)
    own = density.made(-log_p, none, used, 1, truth)
    assert own["excess_over_the_truth"]["nats"] == 0.0
    mean = 0.7
    other = 0.5 * (x - mean) ** 2 + 0.5 * math.log(2.0 * math.pi)
    excess = density.made(other, none, used, 1, truth)["excess_over_the_truth"]
    assert abs(excess["nats"] - 0.5 * mean**2) < 4.0 * excess["stderr_points"] < 0.03


def test_what_has_no_mean_or_no_error_is_unknown():
    nothing = density.made(NATS, VARIANCE, np.zeros(NUM, bool), 3, TRUTH)
    assert set(nothing["nats_per_point"].values()) == {None}
    assert set(nothing["excess_over_the_truth"].values()) == {None}
    assert nothing["entropy_of_the_truth"]["nats"] == 1.5
    one = np.arange(NUM) == 4
    found = density.made(NATS, np.full(NUM, np.nan), one, 3, TRUTH)
    assert found["nats_per_point"] == {
        "nats": NATS[4],
        "stderr": None,
        "stderr_points": None,
    }
    # A model that has no density where a point is.
    far = np.where(one, np.inf, NATS)
    assert density.made(far, VARIANCE, one, 3, TRUTH)["nats_per_point"]["nats"] is None


def test_scalars_are_named_by_their_prefix():
    part = density.made(NATS, VARIANCE, USED, 3, TRUTH)
    found = density.scalars(part, "eval/")
    ends = ("", "_stderr", "_stderr_points")
    names = [f"eval/{n}{end}" for n in ("nats", "excess_nats") for end in ends]
    assert list(found) == names
    assert found["eval/excess_nats_stderr"] == part["excess_over_the_truth"]["stderr"]
    assert found["eval/nats"] == part["nats_per_point"]["nats"]
    assert list(density.scalars({"nats_per_point": part["nats_per_point"]}, "a/")) == [
        f"a/nats{end}" for end in ends
    ]
    assert density.scalars({}, "a/") == {}
