"""The cross entropy of noisy images, against numpy."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from ddpm_jax.models import build, classifier_objective
from ddpm_jax.nets.classifier import ClassifierOutput
from tests import tiny
from tests.diffusion.closed_form import CountingCodec
from tests.models.test_denoiser_objective import batch_of, draws_of

pytestmark = pytest.mark.usefixtures("small_network")


def test_it_is_the_nats_of_the_right_class_at_the_noisy_image():
    c = tiny.sorting()
    model = build.classifier_model(c, build.source(c, "train"))
    params = tiny.away_from_start(model.init(jax.random.key(0)))
    batch = {**batch_of(10), "label": jnp.arange(10)}
    draws = draws_of(10)
    found = jax.jit(classifier_objective.cross_entropy(model))(params, batch, draws)

    t = np.arange(10) / 9.0
    snr = np.exp(6.0 - 12.0 * t)[:, None, None, None]
    eps = np.stack([jax.random.normal(key, (8, 8, 1)) for key in draws.noise_keys])
    x = np.asarray(batch["image"]) / 8.0 - 1.0
    z_t = np.sqrt(snr / (1.0 + snr)) * x + np.sqrt(1.0 / (1.0 + snr)) * eps
    logits = model.bind(params)(jnp.asarray(z_t, jnp.float32), jnp.asarray(t)).logits
    log_p = scipy.special.log_softmax(np.asarray(logits, np.float64), axis=1)
    np.testing.assert_allclose(found.timed, -np.diag(log_p), rtol=1e-5)
    np.testing.assert_array_equal(found.rest, 0.0)


class Dropping(nn.Module):
    """A classifier that sees the mean pixel, or in training mode nothing of it half of the
    times.
    """

    @nn.compact
    def __call__(self, x, time, *, train):
        seen = nn.Dropout(0.5, deterministic=not train)(x.mean(axis=(1, 2, 3)))
        logits = jnp.outer(seen, jnp.arange(10.0))
        return ClassifierOutput(logits=logits, features=logits)


def test_dropout_is_drawn_from_the_examples_keys():
    c = tiny.sorting()
    model = build.classifier_model(c, build.source(c, "train"))
    model = dataclasses.replace(model, network=Dropping())
    batch = {**batch_of(10), "label": jnp.arange(10)}
    draws = draws_of(10)
    found = classifier_objective.cross_entropy(model)({"net": {}}, batch, draws).timed
    dropped = np.array(
        [
            np.asarray(
                Dropping()
                .apply({}, jnp.ones((1, 1, 1, 1)), 0, train=True, rngs={"dropout": key})
                .logits
            )[0, 1]
            == 0.0
            for key in draws.dropout_keys
        ]
    )
    assert 0 < dropped.sum() < 10
    # Who sees nothing takes all classes for equally likely.
    is_even = np.isclose(found, np.log(10.0), rtol=1e-5)
    np.testing.assert_array_equal(is_even, dropped)


def test_an_image_is_encoded_once():
    c = tiny.sorting()
    decoder = CountingCodec(17)
    model = dataclasses.replace(
        build.classifier_model(c, build.source(c, "train")), pixel_decoder=decoder
    )
    params = model.init(jax.random.key(0))
    batch = {**batch_of(10), "label": jnp.arange(10)}
    loss = classifier_objective.cross_entropy(model)
    jax.eval_shape(loss, params, batch, draws_of(10))
    assert len(decoder.calls) == 1
