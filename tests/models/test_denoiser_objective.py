"""The denoiser's losses, from the config to numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.objectives import weightings
from ddpm_jax.diffusion.objectives.time_sampling import Times
from ddpm_jax.models import build, objective
from ddpm_jax.models.table import INTERIOR_GOALS
from ddpm_jax.models.timed_objective import Draws
from tests import tiny
from tests.diffusion.closed_form import CountingCodec
from tests.models.test_build import model_of, simple_model_of


def batch_of(num=4, shape=(8, 8, 1)):
    rng = np.random.default_rng(0)
    return {"image": jnp.asarray(rng.integers(0, 17, (num, *shape)), jnp.uint8)}


def draws_of(num, num_latents=10):
    keys = jax.random.split(jax.random.key(0), 2 * num)
    index = jnp.arange(num) % num_latents
    known = jnp.zeros(num)
    times = Times(index, index / (num_latents - 1), jnp.ones(num), known)
    return Draws(times, keys[:num], keys[num:])


@pytest.mark.parametrize("weighting", [*weightings.WEIGHTINGS, "elbo"])
@pytest.mark.parametrize(
    "variance", ["posterior", pytest.param("learned", marks=pytest.mark.long)]
)
def test_every_loss_is_finite_with_its_gradient(weighting, variance):
    c, model = simple_model_of(loss__weighting=weighting, reverse_variance=variance)
    params = model.init(jax.random.key(0))
    loss_fn = objective.loss(c, model)

    @jax.jit
    def mean(p):
        losses = loss_fn(p, batch_of(10), draws_of(10)).total
        return jnp.mean(losses), losses

    (_, losses), grads = jax.value_and_grad(mean, has_aux=True)(params)
    assert losses.shape == (10,)
    assert np.all(np.isfinite(losses))
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(grads))


def test_simple_loss_of_a_fresh_network_is_about_one():
    # It predicts eps_hat = 0: the mean of eps^2, with 6400 terms of variance 2.
    c, model = model_of(loss__weighting="simple")
    losses = jax.jit(objective.loss(c, model))(
        jax.jit(model.init)(jax.random.key(0)), batch_of(100), draws_of(100)
    ).total
    assert abs(float(jnp.mean(losses)) - 1.0) < 5 * np.sqrt(2 / 6400)


@pytest.mark.parametrize("mean_from", ["x_hat", "z_0"])
@pytest.mark.parametrize("weighting", ["simple", "elbo"])
@pytest.mark.parametrize("variance", ["posterior", "learned"])
def test_an_image_is_encoded_once(weighting, variance, mean_from):
    c, model = simple_model_of(loss__weighting=weighting, reverse_variance=variance)
    decoder = CountingCodec(17, mean_from)
    model = dataclasses.replace(model, pixel_decoder=decoder)
    params = model.init(jax.random.key(0))
    jax.eval_shape(objective.loss(c, model), params, batch_of(10), draws_of(10))
    assert len(decoder.calls) == 1


@pytest.mark.parametrize("interior", INTERIOR_GOALS)
def test_an_image_is_encoded_once_while_its_schedule_learns(interior):
    c = tiny.variational(loss__interior=interior)
    model = build.model(c, build.source(c, "train"))
    decoder = CountingCodec(17, "z_0")
    model = dataclasses.replace(
        model, pixel_decoder=decoder, network=tiny.Network(out_channels=1)
    )
    params = model.init(jax.random.key(0))
    loss = objective.loss(c, model)

    def mean(params):
        return jnp.mean(loss(params, batch_of(10), draws_of(10)).total)

    jax.eval_shape(jax.grad(mean), params)
    assert len(decoder.calls) == 1
