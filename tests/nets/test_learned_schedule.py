"""A learned schedule of a config: what its options make, and which do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets import learned_schedule, monotone
from ddpm_jax.nets.learned_schedule import INTERIORS, LearnedMonotone

OPTIONS = {
    "log_snr_min": -4.0,
    "log_snr_max": 9.0,
    "min_bounds": (-12.0, -1.0),
    "max_bounds": (2.0, 18.0),
    "num_features": 6,
    "degree": 3,
}


def made(**changes):
    options = LearnedMonotone(**(OPTIONS | changes))
    return learned_schedule.CHOICE.make(options, 0)


@pytest.mark.parametrize("interior", INTERIORS)
def test_it_starts_at_its_ends_and_its_parameters_are_the_interiors(interior):
    module = made(interior=interior)
    variables = module.init(jax.random.key(0), jnp.zeros(()))
    np.testing.assert_allclose(module.apply(variables, jnp.zeros(())), 9.0, rtol=1e-5)
    np.testing.assert_allclose(module.apply(variables, jnp.ones(())), -4.0, rtol=1e-5)
    own = variables["params"].get("interior", {})
    sizes = {a.size for a in jax.tree.leaves(own)}
    assert {"line": set(), "network": {6}, "polynomial": {3}}[interior] <= sizes
    learns = INTERIORS[interior].has("learns")
    assert bool(own) == learns == LearnedMonotone(interior=interior).interior_learns


def test_every_option_reaches_the_module():
    module = made(interior="polynomial")
    assert module.interior == monotone.Polynomial(3)
    assert made(interior="network").interior == monotone.PositiveNetwork(6)
    assert (module.first, module.last) == (9.0, -4.0)
    assert (module.first_bounds, module.last_bounds) == ((2.0, 18.0), (-12.0, -1.0))
    assert module.learn_ends and not made(learn_ends=False).learn_ends


def test_its_range_is_that_of_its_bounds_or_of_its_constant_ends():
    assert LearnedMonotone(**OPTIONS).range == (-12.0, 18.0)
    assert LearnedMonotone(**OPTIONS, learn_ends=False).range == (-4.0, 9.0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"log_snr_min": -1.0}, r"log_snr_min = -1.0 is not between min_bounds"),
        ({"log_snr_max": 18.0}, r"log_snr_max = 18.0 is not between max_bounds"),
        ({"log_snr_max": 41.0}, r"log_snr_max = 41.0: write a number between -40 and"),
        ({"max_bounds": (2.0, 41.0)}, r"max_bounds = \(2.0, 41.0\): write two numbers"),
        ({"min_bounds": (-1.0, -12.0)}, r"min_bounds = .*, the lower first"),
        ({"max_bounds": (-1.0, 18.0)}, r"min_bounds = .* reach up to max_bounds"),
        ({"min_bounds": (-12.0,)}, r"min_bounds = \(-12.0,\): write two numbers"),
        (
            {"learn_ends": False, "log_snr_min": 9.0},
            r"log_snr_min = 9.0 must be below log_snr_max = 9.0",
        ),
    ],
)
def test_what_does_not_fit_is_told(changes, message):
    with pytest.raises(ValueError, match=message):
        LearnedMonotone(**(OPTIONS | changes))
