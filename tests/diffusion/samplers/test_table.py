"""Samplers by name: each name makes its own sampler, with every option of its own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.samplers import (
    ancestral,
    ddim,
    dpm_solver,
    edm,
    loop,
    predictor_corrector,
    unipc,
)
from ddpm_jax.diffusion.samplers.edm import ChurnOptions
from ddpm_jax.diffusion.samplers.setting import Setting
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from tests.diffusion import closed_form

NUM_STEPS = 50
CHURN = {"amount": 20.0, "least": 0.6, "most": 5.0, "noise": 1.1}
# By hand, of options that are no defaults: what each name and its options mean.
MEANT = {
    "ancestral": (
        {"variance": "forward"},
        ancestral.make(ancestral.fixed_variance(1.0)),
    ),
    "ddim": ({"eta": 0.4}, ddim.make(0.4)),
    "dpm_solver": (
        {"order": 3, "eta": 0.5, "lower_order_final": False},
        dpm_solver.multistep(3, 0.5, False),
    ),
    "unipc": ({"order": 3, "lower_order_final": False}, unipc.make(3, False)),
    "euler": (
        {"churn": ChurnOptions(**CHURN)},
        edm.euler(edm.Churn(**CHURN), NUM_STEPS),
    ),
    "heun": (
        {"churn": ChurnOptions(**CHURN)},
        edm.heun(edm.Churn(**CHURN), NUM_STEPS),
    ),
    "predictor_corrector": (
        {"snr": 0.3, "num_corrections": 2},
        predictor_corrector.make(0.3, 2),
    ),
}


def followed(sampler):
    """Where it leads on the chain of two correlated pixels, from one noise."""
    chain = closed_form.Chain.of(NUM_STEPS)
    model = closed_form.gaussian_data(chain, "eps", "posterior")
    times = jnp.linspace(1.0, 0.0, 8)
    keys = jax.random.split(jax.random.key(0), 3)
    z = loop.first_latent(keys, closed_form.SHAPE, jnp.float32)
    return np.asarray(
        jax.jit(lambda z: loop.sample_from(model, sampler, times, z, keys))(z).z
    )


def made(name, **options):
    choice = SAMPLERS[name]
    return choice.make(choice.options(**options), Setting(NUM_STEPS))


def test_every_sampler_on_a_list_of_times_is_meant_here():
    listed = {name for name, choice in SAMPLERS.items() if not choice.has("own_steps")}
    assert listed == MEANT.keys()


def without(options, field):
    """The same with the default of one field, which may be of a group within."""
    group, _, inner = field.rpartition(".")
    if group:
        rest = {k: v for k, v in CHURN.items() if k != inner}
        return options | {group: ChurnOptions(**rest)}
    return {name: value for name, value in options.items() if name != field}


@pytest.mark.parametrize("name", MEANT)
def test_a_name_makes_its_sampler_with_each_of_its_options(name):
    options, by_hand = MEANT[name]
    found = followed(made(name, **options))
    np.testing.assert_array_equal(found, followed(by_hand))
    fields = [f"churn.{f}" for f in CHURN] if "churn" in options else options
    for field in fields:
        other = followed(made(name, **without(options, field)))
        assert np.any(found != other), f"{field} changes nothing"


def test_single_steps_are_a_method_of_the_same_name():
    found = followed(made("dpm_solver", method="single_step", order=3))
    np.testing.assert_array_equal(found, followed(dpm_solver.single_step(3)))


def test_no_two_samplers_are_one():
    found = {name: followed(made(name)).tobytes() for name in MEANT}
    # Euler's method without churn is DDIM without noise, by another formula.
    assert len(set(found.values())) >= len(found) - 1
    churned = {"churn": ChurnOptions(**CHURN)}
    assert np.any(
        followed(made("euler", **churned)) != followed(made("heun", **churned))
    )


def test_the_churn_has_no_upper_bound_unless_it_is_told_one():
    assert ChurnOptions().to_churn() == edm.Churn()
    assert ChurnOptions(**CHURN).to_churn() == edm.Churn(**CHURN)


def test_a_solver_of_its_own_steps_has_the_options_that_it_was_given():
    choice = SAMPLERS["ode"]
    changes = {"solver": "dopri5", "rtol": 1e-3, "atol": 1e-4, "max_steps": 77}
    solve = choice.make(choice.options(**changes), Setting())
    assert isinstance(solve, probability_flow.Solve)
    found = {f.name: getattr(solve, f.name) for f in dataclasses.fields(solve)}
    assert found == changes


def test_what_goes_back_up_asks_once_and_remembers_nothing():
    memoryless = {name for name, choice in SAMPLERS.items() if choice.has("memoryless")}
    assert memoryless == {"ancestral", "ddim"}
    for name in memoryless:
        sampler = made(name)
        assert sampler.init(jnp.zeros((1, 2, 2, 1)))._fields == ("z",)
        assert sampler.plan(jnp.negative, jnp.linspace(1.0, 0.0, 5)).t.shape == (4,)
