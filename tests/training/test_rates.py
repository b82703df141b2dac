"""Learning rates against the formulas of their papers, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.training.rates import DECAYS, FORMS, learning_rate_schedule


def rates(steps, *, choice="constant", group=None, **changes):
    options = {"warmup_steps": 4, "decay_steps": 24, "final_fraction": 0.0} | changes
    found = DECAYS[choice]
    own = found.options(**(group or {}))
    schedule = learning_rate_schedule(
        2.0, decay=lambda *inputs: found.make(own, *inputs), **options
    )
    return np.array([schedule(n) for n in steps])


def test_the_rate_warms_up_in_equal_steps_to_its_peak():
    np.testing.assert_allclose(rates(range(6)), [0.5, 1.0, 1.5, 2.0, 2.0, 2.0])
    np.testing.assert_allclose(rates(range(3), warmup_steps=1), 2.0)
    np.testing.assert_allclose(rates(range(3), warmup_steps=0), 2.0)


def test_the_rate_decays_by_cosine_to_its_final_fraction():
    found = rates([4, 14, 24, 99], choice="cosine", final_fraction=0.1)
    np.testing.assert_allclose(found, [2.0, 1.1, 0.2, 0.2], rtol=1e-6)


def test_the_rate_decays_by_the_root():
    found = rates([4, 24, 64], choice="rsqrt")
    np.testing.assert_allclose(found, 2.0 / np.sqrt([1.0, 2.0, 4.0]), rtol=1e-6)


OF_FORM = {
    "linear": lambda x: 1 - x,
    "1-sqrt": lambda x: 1 - np.sqrt(x),
    "cosine": lambda x: (1 + np.cos(np.pi * x)) / 2,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("group, length", [({"steps": 8}, 8), ({"share": 0.25}, 5)])
@pytest.mark.parametrize("final_fraction", [0.0, 0.1])
def test_a_stable_rate_decays_in_its_last_steps(form, group, length, final_fraction):
    found = rates(
        range(40),
        choice="wsd",
        group={**group, "form": form},
        final_fraction=final_fraction,
    )
    start, peak = 24 - length, np.float32(2.0)
    np.testing.assert_allclose(found[:4], [0.5, 1.0, 1.5, 2.0])
    # To the bit, until the decay begins, what a constant rate is.
    assert np.all(found[4 : start + 1] == peak)
    share = (np.arange(start, 24) - start) / length
    wanted = 2.0 * (final_fraction + (1 - final_fraction) * OF_FORM[form](share))
    np.testing.assert_allclose(found[start:24], wanted, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[24:], 2.0 * final_fraction, atol=1e-7)
    # The last update is not yet made at the rate at which the decay ends.
    assert np.all(np.diff(found[start:25]) < 0) and found[23] > found[24]


def test_a_decay_may_be_the_whole_run_and_no_longer():
    whole = rates(range(4, 24), choice="wsd", group={"share": 1.0, "form": "cosine"})
    cosine = rates(range(4, 24), choice="cosine")
    np.testing.assert_allclose(whole, cosine, rtol=1e-5, atol=1e-7)
    for few in ({"steps": 1}, {"share": 1e-9}):
        found = rates(range(20, 26), choice="wsd", group=few)
        np.testing.assert_array_equal(found, [2.0, 2.0, 2.0, 2.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"^steps = 21: of the rate's 20 steps after"):
        rates([0], choice="wsd", group={"steps": 21})


def test_rates_are_exact_far_into_a_long_run():
    group = {"steps": 1_000_000, "form": "linear"}
    long = {"choice": "wsd", "group": group, "decay_steps": 10_000_000}
    numbers = [8_999_999, 9_000_000, 9_000_001, 9_500_000, 9_999_999]
    found = rates(numbers, warmup_steps=0, **long)
    np.testing.assert_allclose(found, [2, 2, 1.999998, 1, 2e-6], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("choice", DECAYS)
def test_traits_say_what_a_rate_depends_on(choice):
    short, long = (rates(range(99), choice=choice, decay_steps=n) for n in (24, 48))
    assert np.any(short != long) == DECAYS[choice].has("of_a_length")
    stays = np.all(short[24:] == short[24]) and short[24] < short[4]
    assert stays == DECAYS[choice].has("ends")


@pytest.mark.parametrize("choice", DECAYS)
def test_the_compiled_rate_is_the_rate(choice):
    schedule = learning_rate_schedule(
        2.0,
        warmup_steps=4,
        decay=DECAYS[choice].default,
        decay_steps=24,
        final_fraction=0.0,
    )
    found = jax.jit(lambda n: jnp.asarray(schedule(n), jnp.float32))
    np.testing.assert_allclose(
        [found(n) for n in range(30)],
        rates(range(30), choice=choice),
        rtol=1e-6,
        atol=1e-7,
    )
