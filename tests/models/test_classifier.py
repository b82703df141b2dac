"""A classifier of noisy images, bound: what it is told of time, and dropout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.models import build
from ddpm_jax.models.backbone import by_log_snr
from tests import tiny

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture(scope="module")
def model(small_network):
    c = tiny.sorting(model__time_input="log_snr", model__time_scale=3000.0)
    return build.classifier_model(c, build.source(c, "test"))


@pytest.fixture(scope="module")
def params(model):
    return tiny.away_from_start(model.init(jax.random.key(0)))


def test_it_is_the_network_told_how_far_the_log_snr_is(model, params):
    z_t, t = jax.random.normal(jax.random.key(1), (3, 8, 8, 1)), jnp.array([0, 0.4, 1])
    found = model.bind(params)(z_t, t)
    time = 3000.0 * (6.0 - model.schedule.log_snr(t)) / 12.0
    variables = {"params": params["net"]}
    own = model.network.apply(variables, z_t, time, train=False)
    assert found.logits.shape == (3, 10)
    np.testing.assert_allclose(found.logits, own.logits, rtol=1e-5)
    np.testing.assert_allclose(found.features, own.features, rtol=1e-5)
    assert model.time_input is by_log_snr and model.num_classes == 10


def test_it_may_be_asked_of_times_of_another_schedule(model, params):
    z_t, t = jax.random.normal(jax.random.key(1), (2, 8, 8, 1)), jnp.array([0.2, 0.7])
    shifted = model.bind(params, log_snr=lambda t: model.schedule.log_snr(t + 0.1))
    want = model.bind(params)(z_t, t + 0.1)
    np.testing.assert_allclose(shifted(z_t, t).logits, want.logits, rtol=1e-4)
