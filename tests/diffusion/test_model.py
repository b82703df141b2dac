"""A model of some examples of a batch, and changes of it."""

import jax
import jax.numpy as jnp
import numpy as np

from ddpm_jax.diffusion.conditioning import thresholds
from ddpm_jax.diffusion.likelihood import probability_flow
from ddpm_jax.diffusion.model import Diffusion, Prediction

SHAPE = (2, 2, 1)
SOLVE = probability_flow.Solve(rtol=1e-5, atol=1e-5)


def log_snr(t):
    return 6.0 - 12.0 * t


def answering_by_example(answers):
    """x_hat is a number of each example's own."""

    def denoise(z_t, t):
        l_t = log_snr(t)[:, None, None, None]
        x = jnp.broadcast_to(answers[:, None, None, None], z_t.shape)
        alpha, sigma = jnp.sqrt(jax.nn.sigmoid(l_t)), jnp.sqrt(jax.nn.sigmoid(-l_t))
        return Prediction(x, (z_t - alpha * x) / sigma, jnp.zeros(()))

    return Diffusion(
        log_snr,
        denoise,
        for_examples=lambda numbers: answering_by_example(answers[numbers]),
    )


ANSWERS = jnp.array([0.1, -0.4, 2.5])


def asked(diffusion, num):
    return diffusion.denoise(jnp.zeros((num, *SHAPE)), jnp.full(num, 0.5))


def test_a_model_of_some_examples_answers_as_for_these():
    whole = answering_by_example(ANSWERS)
    found = asked(whole.take(jnp.array([2, 0, 2, 1])), 4)
    np.testing.assert_allclose(found.x[:, 0, 0, 0], [2.5, 0.1, 2.5, -0.4])


def test_one_that_tells_no_examples_apart_stays_as_it_is():
    plain = Diffusion(log_snr, lambda z_t, t: Prediction(z_t, z_t, jnp.zeros(())))
    assert plain.take(jnp.array([1])) is plain


def test_a_change_reaches_the_model_of_some_examples():
    clipped = thresholds.clipped(answering_by_example(ANSWERS)).take(jnp.array([2, 1]))
    found = asked(clipped, 2)
    np.testing.assert_allclose(found.x[:, 0, 0, 0], [1.0, -0.4])


def test_the_flow_takes_each_example_to_where_its_own_model_leads():
    z_1 = jax.random.normal(jax.random.key(0), (3, *SHAPE))
    arrived = probability_flow.backward(answering_by_example(ANSWERS), z_1, SOLVE)
    # With x known, z = alpha x + sigma eps, and eps is what it was at the start.
    a_1, a_0 = (np.sqrt(1 / (1 + np.exp(-level))) for level in (-6.0, 6.0))
    s_1, s_0 = np.sqrt(1 - a_1**2), np.sqrt(1 - a_0**2)
    x = np.asarray(ANSWERS)[:, None, None, None]
    expected = a_0 * x + s_0 * (np.asarray(z_1) - a_1 * x) / s_1
    np.testing.assert_allclose(arrived.z_0, expected, atol=1e-3)
