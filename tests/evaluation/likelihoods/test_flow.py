"""The flow's likelihood as a config says it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.core.randomness import Stream
from ddpm_jax.diffusion.likelihood import flow_bound
from ddpm_jax.diffusion.likelihood.dequantization import DEQUANTIZATIONS
from ddpm_jax.diffusion.likelihood.divergence import Exact, Hutchinson
from ddpm_jax.diffusion.likelihood.estimate import Estimate
from ddpm_jax.diffusion.likelihood.probability_flow import Solve
from ddpm_jax.diffusion.process.categorical import Categorical
from ddpm_jax.evaluation.likelihoods import flow
from ddpm_jax.evaluation.likelihoods.estimator import Batch, Setting
from ddpm_jax.evaluation.likelihoods.flow import FlowOptions
from tests.diffusion import closed_form

T, NUM = 10, 3
DECODER = Categorical(3)
MODEL = closed_form.gaussian_data(closed_form.Chain.of(T), "eps")
SETTING = Setting(num_draws=8, num_pilot_examples=4, num_steps=T, seed=4)


def made(setting=SETTING, **options):
    return flow.CHOICE.make(FlowOptions(**options), setting)


# Of each option another value, and by which argument of `by_flow` it is told.
OTHERS = {
    "dequantization": (
        "uniform",
        {"dequantization": DEQUANTIZATIONS["uniform"].default()},
    ),
    "num_importance": (3, {"num_importance": 3}),
    "num_draws": (2, {"num_draws": 2}),
    "divergence": ("exact", {"divergence": Exact(8)}),
    "probe": ("gaussian", {"divergence": Hutchinson("gaussian", 1, False)}),
    "num_probes": (3, {"divergence": Hutchinson("rademacher", 3, False)}),
    "antithetic": (True, {"divergence": Hutchinson("rademacher", 2, True)}),
    "chunk": (3, {}),
    "solver": ("dopri5", {"solve": Solve("dopri5", 1e-5, 1e-5, 1000)}),
    "rtol": (0.1, {"solve": Solve("tsit5", 0.1, 1e-5, 1000)}),
    "atol": (0.1, {"solve": Solve("tsit5", 1e-5, 0.1, 1000)}),
    "max_steps": (9, {"solve": Solve("tsit5", 1e-5, 1e-5, 9)}),
}


@pytest.fixture
def asked(monkeypatch):
    """The keyword arguments that `by_flow` was given."""
    found = {}

    def by_flow(*_, **options):
        found.update(options)
        return Estimate(*len(Estimate._fields) * [None])

    monkeypatch.setattr(flow_bound, "by_flow", by_flow)
    return found


def test_every_option_reaches_the_flow(asked):
    batch = Batch(*3 * [jnp.zeros((NUM, 2, 2, 1))])
    assert OTHERS.keys() == {f.name for f in dataclasses.fields(FlowOptions)}
    made().estimate(MODEL, DECODER, batch)
    first = dict(asked)
    assert first == {
        "dequantization": DEQUANTIZATIONS["truncated_normal"].default(),
        "divergence": Hutchinson("rademacher", 1, False),
        "solve": Solve("tsit5", 1e-5, 1e-5, 1000),
        "num_importance": 1,
        "num_draws": 1,
    }
    for name, (value, changes) in OTHERS.items():
        pairs = {"num_probes": 2} if name == "antithetic" else {}
        made(**{name: value}, **pairs).estimate(MODEL, DECODER, batch)
        assert asked == first | changes, name
    made(divergence="exact", chunk=3).estimate(MODEL, DECODER, batch)
    assert asked["divergence"] == Exact(3)


def test_the_estimate_is_that_of_the_flow():
    pixels = jnp.asarray(np.random.default_rng(0).integers(0, 3, (NUM, 2, 2, 1)))
    keys = jax.random.split(jax.random.key(1), NUM)
    estimator = made(rtol=1e-2, atol=1e-2)

    def ours(pixels, keys):
        batch = Batch(pixels, keys, jnp.arange(NUM))
        return estimator.estimate(MODEL, DECODER, batch).terms.total

    def theirs(pixels, keys):
        return flow_bound.by_flow(
            *(MODEL, DECODER, pixels, keys, T),
            dequantization=DEQUANTIZATIONS["truncated_normal"].default(),
            divergence=Hutchinson(),
            solve=Solve("tsit5", 1e-2, 1e-2, 1000),
        ).terms.total

    found, expected = (jax.jit(f)(pixels, keys) for f in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_it_is():
    estimator = made(num_draws=3)
    # config.eval.num_draws and the pilot pass are for others.
    assert estimator.num_draws == 3 and estimator.pilot is None
    assert estimator.stream is Stream.EVAL_FLOW
    told = made(SETTING._replace(outcome="pixels | class"))
    assert "-log2 P(pixels | class) / dims of the probability flow" in told.figure


def test_the_figure_says_how_it_was_found():
    one = made().figure
    assert one == (
        "upper bound on -log2 P(pixels) / dims of the probability flow: truncated_normal"
        " dequantisation, one latent, hutchinson divergence, solved to rtol 1e-05 and atol"
        " 1e-05; estimated without bias but for the solver's error"
    )
    many = made(num_importance=5).figure
    assert "over 5 latents" in many and "neither unbiased nor strictly a bound" in many
    exact = made(num_importance=5, divergence="exact", dequantization="uniform").figure
    assert "without bias" in exact and "uniform dequantisation" in exact
    assert "rtol 0.1 and atol 0.2" in made(rtol=0.1, atol=0.2).figure


def test_what_it_is_of_real_numbers():
    setting = SETTING._replace(outcome="x", is_continuous=True)
    exact = made(setting, dequantization="none", divergence="exact").figure
    assert exact.startswith("-log2 p(x) / dims, a density in the data's units, of the")
    assert "at z_0 = alpha_0 x, exact divergence, solved to rtol 1e-05" in exact
    assert made(setting, dequantization="decoder").figure.startswith(
        "upper bound on -log"
    )


@pytest.mark.parametrize("name", DEQUANTIZATIONS)
@pytest.mark.parametrize("is_continuous", [False, True])
def test_a_dequantisation_of_other_data_is_refused(name, is_continuous):
    setting = SETTING._replace(is_continuous=is_continuous)
    wrong = "needs_bins" if is_continuous else "needs_real_numbers"
    if not DEQUANTIZATIONS[name].has(wrong):
        assert made(setting, dequantization=name).num_draws == 1
        return
    with pytest.raises(ValueError, match=f"dequantization = '{name}' .*: write one of"):
        made(setting, dequantization=name)
