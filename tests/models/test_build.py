import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.check import check_config
from ddpm_jax.core.errors import ConfigError
from ddpm_jax.diffusion.process import gaussian
from ddpm_jax.models import build
from ddpm_jax.training.state import TrainState, Window
from tests import tiny


def model_of(**changes):
    c = tiny.config(**changes)
    check_config(c)
    return c, build.model(c, build.source(c, "train"))


def simple_model_of(**changes):
    """With a network of one convolution."""
    c, model = model_of(**changes)
    channels = 2 if c.reverse_variance == "learned" else 1
    network = tiny.Network(channels, dropout=c.model.unet.dropout)
    return c, dataclasses.replace(model, network=network)


@pytest.mark.parametrize("prediction", ["eps", "x", "v", "score", "mean"])
@pytest.mark.parametrize("variance", ["posterior", "forward", "learned"])
def test_every_prediction_and_variance_gives_consistent_estimates(prediction, variance):
    _, model = simple_model_of(prediction=prediction, reverse_variance=variance)
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (4, 8, 8, 1))
    t = jnp.array([0.0, 1 / 9, 5 / 9, 1.0])
    found = model.bind(params).denoise(z, t)
    again = gaussian.diffuse(found.x, found.eps, model.schedule.log_snr(t))
    np.testing.assert_allclose(again, z, atol=1e-4)
    assert found.variance_fraction.shape == (z.shape if variance == "learned" else ())
    assert np.all(np.isfinite(found.variance_fraction))


def test_the_mean_before_the_first_latent_is_the_data():
    _, model = simple_model_of(prediction="mean")
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    output = model.network.apply(
        {"params": params["net"]}, z, jnp.zeros(2), train=False
    )
    found = model.bind(params).denoise(z, jnp.zeros(2))
    np.testing.assert_allclose(found.x, output, rtol=1e-6)


def test_the_network_sees_the_index_or_a_scale_of_its_own():
    seen = []

    class Spy(nn.Module):
        def apply(self, variables, images, time, train):
            seen.append(np.asarray(time))
            return images

    for scale, wanted in ((0.0, [0.0, 9.0]), (999.75, [0.0, 999.75])):
        _, model = model_of(model__time_scale=scale)
        spied = dataclasses.replace(model, network=Spy())
        spied.bind({"net": {}}).denoise(jnp.zeros((2, 8, 8, 1)), jnp.array([0.0, 1.0]))
        np.testing.assert_allclose(seen[-1], wanted)


def test_dropout_belongs_to_the_example():
    _, model = simple_model_of(model__unet__dropout=0.5)
    params = model.init(jax.random.key(0))
    z = jax.random.normal(jax.random.key(1), (6, 8, 8, 1))
    t, keys = jnp.linspace(0, 1, 6), jax.random.split(jax.random.key(2), 6)
    together = model.bind(params, keys).denoise(z, t).eps
    order = jnp.array([4, 0, 2])
    apart = model.bind(params, keys[order]).denoise(z[order], t[order]).eps
    np.testing.assert_allclose(apart, together[order], atol=1e-5)
    other = model.bind(params, keys[::-1]).denoise(z, t).eps
    assert np.max(np.abs(other - together)) > 1e-3
    still = model.bind(params).denoise(z, t).eps
    assert np.max(np.abs(still - together)) > 1e-3


def test_every_average_and_the_raw_weights_can_be_named():
    c = tiny.config(ema__decay=0.9, ema__extra_decays=(0.5, 0.99))
    assert build.weight_names(c) == ["raw", "ema", "ema:0.9", "ema:0.5", "ema:0.99"]

    averages = {"0.9": "a", "0.5": "b", "0.99": "c"}
    state = TrainState(0, 0, 0, "raw parameters", averages, (), (), Window.empty())
    found = [build.weights(c, state, name) for name in build.weight_names(c)]
    assert found == ["raw parameters", "a", "a", "b", "c"]


@pytest.mark.parametrize(
    "field, value, wanted",
    [
        ("prediction", "epss", "'eps'"),
        ("reverse_variance", "fixed", "posterior"),
        ("schedule__name", "cosin", "'cosine'"),
        ("loss__weighting", "simpel", "'simple'"),
        ("loss__time_sampling", "stratifed", "'stratified'"),
        ("optimizer__name", "adamx", "'adamw'"),
        ("optimizer__decay", "cosin", "'cosine'"),
        ("parallel__mode", "jitt", "'jit'"),
        ("eval__estimators", "ful", "'full'"),
        ("eval__weights", "emaa", "'ema'"),
        ("sample__sampler", "ddmi", "'ddim'"),
        ("sample__spacing", "quadratc", "'quadratic'"),
        ("sample__weights", "ema:0.3", "'ema:0.9'"),
        ("model__name", "unett", "'unet'"),
        ("model__unet__dtype", "float16", "bfloat16"),
    ],
)
def test_a_misspelt_choice_is_corrected(field, value, wanted):
    name = field.replace("__", ".")
    with pytest.raises(ConfigError, match=rf"config.{name} = '{value}'.*{wanted}"):
        check_config(tiny.config(**{field: value}))


def test_images_that_do_not_fit_the_network_are_refused():
    with pytest.raises(ConfigError, match=r"does not fit the 8x8 images .*divisible"):
        model_of(model__unet__feature_mults=(1, 1, 1, 1, 1))


def test_an_odd_number_of_stratified_draws_is_refused():
    with pytest.raises(ConfigError, match=r"eval.num_draws = 6: .* multiple of 4"):
        check_config(tiny.config(eval__num_draws=6))
