"""The noise of an estimator, which it shares with no other."""

import jax
import numpy as np

from ddpm_jax.core.randomness import Stream, stream_key
from ddpm_jax.evaluation.likelihoods.estimator import (
    LikelihoodEstimator,
    Setting,
    noise_key,
)
from ddpm_jax.evaluation.table import ESTIMATORS

SETTING = Setting(num_draws=4, num_pilot_examples=0, num_steps=10, seed=0)


def bits(key):
    return int(jax.random.bits(key))


def test_the_tables_estimators_have_streams_of_their_own():
    likelihoods = {n: c for n, c in ESTIMATORS.items() if c.has("likelihood")}
    made = {name: choice.default(SETTING) for name, choice in likelihoods.items()}
    streams = [estimator.stream for estimator in made.values()]
    assert None not in streams and len(set(streams)) == len(streams) == 3
    taken = {Stream.PILOT, Stream.EVAL_TIMES, Stream.EVAL_OTHER}
    assert not taken & set(streams)
    for name, estimator in made.items():
        want = stream_key(5, estimator.stream)
        assert bits(noise_key(5, name, estimator)) == bits(want)


def test_others_have_one_by_their_name():
    own = LikelihoodEstimator(lambda *_: None, "a figure", 1)
    drawn = {
        bits(noise_key(seed, name, own)) for seed in (0, 1) for name in ("one", "two")
    }
    assert len(drawn) == 4
    # By the checksum of the name, which no later version may change.
    key = jax.random.fold_in(stream_key(0, Stream.EVAL_OTHER), np.uint32(2053932785))
    assert bits(noise_key(0, "one", own)) == bits(key)
    streams = {bits(stream_key(0, stream)) for stream in Stream}
    assert not streams & drawn
