"""The rate of a config, and what is said where a run has no use of it."""

import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.models import learning_rate
from tests import tiny


def config(**changes):
    given = {"optimizer__decay": "cosine", "training__num_steps": 20}
    return tiny.config(**(given | changes))


def rates(c):
    rate = learning_rate.of(c)
    return np.array([rate(n) for n in jnp.arange(c.training.num_steps)])


@pytest.mark.parametrize("decay", ["cosine", "rsqrt", "wsd"])
def test_the_decay_ends_with_the_run_unless_a_step_is_written(decay):
    c = config(optimizer__decay=decay)
    longer = config(optimizer__decay=decay, training__num_steps=60)
    for own in (c, longer):
        own_end = own.copy_and_resolve_references()
        own_end.optimizer.decay_steps = own.training.num_steps
        np.testing.assert_array_equal(rates(own), rates(own_end))
        # To its end it learns.
        assert np.all(rates(own) > 0)
    assert np.any(rates(longer)[:20] != rates(c))
    longer.optimizer.decay_steps = 20
    np.testing.assert_array_equal(rates(longer)[:20], rates(c))
    assert learning_rate.end_of_decay(c) == learning_rate.end_of_decay(longer) == 20


def test_every_option_of_the_rate_is_the_configs():
    c = config(
        optimizer__decay="wsd",
        optimizer__learning_rate=0.5,
        optimizer__warmup_steps=4,
        optimizer__final_fraction=0.2,
        optimizer__wsd__steps=4,
        optimizer__wsd__form="linear",
    )
    wanted = [0.125, 0.25, 0.375, *[0.5] * 14, 0.4, 0.3, 0.2]
    np.testing.assert_allclose(rates(c), wanted, rtol=1e-6)
    assert learning_rate.notes(c) == []


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"optimizer__decay_steps": 12},
            "is 0, so that nothing is learned, from step 13",
        ),
        (
            {"optimizer__decay_steps": 12, "optimizer__final_fraction": 0.25},
            "stays at 0.0005 from step 13 to the end, config.training.num_steps = 20;",
        ),
        (
            {"optimizer__decay": "wsd", "optimizer__decay_steps": 19},
            "config.optimizer.decay_steps = 19: the learning rate is 0, so that nothing",
        ),
        # A decay that would end before the warm-up is over follows it at once.
        (
            {"optimizer__decay_steps": 1},
            "is 0, so that nothing is learned, from step 4 ",
        ),
        (
            {"optimizer__warmup_steps": 20},
            "config.optimizer.warmup_steps = 20: the learning rate reaches its peak after",
        ),
    ],
)
def test_steps_in_which_nothing_is_learned_are_told(changes, said):
    c = config(**changes)
    (note,) = learning_rate.notes(c)
    assert said in note and "\n" not in note
    if "from step" in said:
        first = int(note.split("from step ")[1].split()[0])
        last = c.optimizer.final_fraction * c.optimizer.learning_rate
        np.testing.assert_allclose(rates(c)[first - 1 :], last, atol=1e-12)
        assert rates(c)[first - 2] > last


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer__decay_steps": 20},
        {"optimizer__decay_steps": 800_000},
        {"optimizer__decay": "rsqrt", "optimizer__decay_steps": 3},
        {"optimizer__decay": "constant", "optimizer__decay_steps": 3},
        {"optimizer__warmup_steps": 19},
    ],
)
def test_a_run_that_learns_to_its_end_has_no_note(changes):
    c = config(**changes)
    assert learning_rate.notes(c) == []
    assert np.all(rates(c) > 0)


def test_a_decay_longer_than_the_run_is_refused_before_it_starts():
    c = config(optimizer__decay="wsd", optimizer__wsd__steps=19)
    with pytest.raises(ConfigError) as error:
        check_config(c)
    assert str(error.value) == (
        "config.optimizer.wsd.steps = 19: of the rate's 18 steps after the warm-up, write"
        " at most that many."
    )
    c.optimizer.wsd.update(steps=0, form="sqrt")
    with pytest.raises(
        ConfigError, match=r"config.optimizer.wsd.form = 'sqrt' is not one"
    ):
        check_config(c)


def test_a_run_that_is_made_longer_says_what_becomes_of_its_rate():
    short, long = config(), config(training__num_steps=60)
    said = learning_rate.change(long, short, 20)
    assert said == (
        "the learning rate: its decay is by 60 steps, no longer 20; the next is 0.00156"
        " instead of 0"
    )
    assert learning_rate.change(short, short, 20) == ""
    for own in (short, long):
        own.optimizer.decay = "constant"
    assert learning_rate.change(long, short, 20) == ""
