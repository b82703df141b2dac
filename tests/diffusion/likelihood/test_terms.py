"""What a term is made of: one question to the model, and its answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.diffusion.likelihood import dequantization, elbo, terms
from ddpm_jax.diffusion.model import Diffusion, Prediction
from ddpm_jax.diffusion.objectives import denoising, weightings
from ddpm_jax.diffusion.process.discretized_gaussian import DiscretizedGaussian
from ddpm_jax.diffusion.process.times import CONTINUOUS
from tests.diffusion import closed_form

T = 10
CODEC = DiscretizedGaussian(17)
LEARNED = {"variance_fraction": jnp.full((4, 2, 2, 1), 0.4)}


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def log_snr(t):
    return 5.0 - 9.0 * t


def drawn():
    """Pixels, data, noise and noise for the decoder."""
    rng = np.random.default_rng(0)
    pixels = jnp.asarray(rng.integers(0, 17, (4, 2, 2, 1)))
    eps, eps_0 = (jnp.asarray(rng.normal(size=(4, 2, 2, 1))) for _ in range(2))
    return pixels, CODEC.encode(pixels, jnp.float64), eps, eps_0


def test_the_model_is_asked_once_at_the_latent_of_data_and_noise():
    asked = []

    def denoise(z_t, t):
        asked.append((z_t, t))
        return "answer"

    _, x, eps, _ = drawn()
    t = jnp.array([0.0, 0.25, 0.5, 1.0])
    at = terms.Coordinates(jnp.array([4.0, 1.0, 0.0, -3.0]), jnp.full(4, -9.0))
    found = terms.denoise(Diffusion(log_snr, denoise), x, eps, at, t)
    ((z_t, told),) = asked
    snr = np.exp([4.0, 1.0, 0.0, -3.0])[:, None, None, None]
    expected = np.sqrt(snr / (1.0 + snr)) * x + np.sqrt(1.0 / (1.0 + snr)) * eps
    np.testing.assert_allclose(z_t, expected, rtol=1e-12)
    assert told is t and found.prediction == "answer"
    assert found.x is x and found.eps is eps and found.at is at and found.z_t is z_t


def answered(index, **known):
    """What a model that says the same everywhere answers at these latents."""
    _, x, eps, _ = drawn()
    known = {"x": 0.3 * x, "eps": 0.5 * eps} | known
    model = closed_form.answering(log_snr, **known)
    t = index / (T - 1)
    return terms.denoise(model, x, eps, terms.coordinates(log_snr, t), t)


@pytest.mark.parametrize("fraction", [{}, LEARNED])
def test_a_latent_has_the_decoder_at_the_first_and_its_transition_elsewhere(fraction):
    pixels, x, eps, _ = drawn()
    index = jnp.array([0, 1, 5, 9])
    found = answered(index, **fraction)
    got = terms.latent_term(log_snr, CODEC, pixels, found, index, T)
    decoded = terms.reconstruction(
        log_snr, CODEC, pixels, found.z_t, found.prediction, T
    )
    np.testing.assert_allclose(got[0], decoded[0], rtol=1e-12)

    l_t = 5.0 - np.asarray(index)
    v_error = np.square(
        np.sqrt(1.0 / (1.0 + np.exp(-l_t)))[:, None, None, None] * 0.5 * eps
        - np.sqrt(1.0 / (1.0 + np.exp(l_t)))[:, None, None, None] * 0.7 * x
    )
    np.testing.assert_allclose(terms.velocity_error(found), v_error, rtol=1e-12)
    if not fraction:  # The posterior's variance: one factor of |eps - eps_hat|^2.
        factor = 0.5 * np.expm1(1.0) / (1.0 + np.exp(-l_t))
        expected = factor * v_error.sum(axis=(1, 2, 3))
        np.testing.assert_allclose(got[1:], expected[1:], rtol=1e-12)
        # Slope -9 times as long in t: the KL of a short step over its length.
        limit = 9.0 * expected / np.expm1(1.0)
        np.testing.assert_allclose(terms.integrand(found), limit, rtol=1e-12)


def test_no_transition_leaves_the_first_latent():
    index = jnp.array([0, 3, 0, 9])
    kl = terms.transition(log_snr, answered(index, **LEARNED), index, T)
    np.testing.assert_array_equal(kl == 0.0, index == 0)


def test_a_time_stands_for_all_of_them():
    index = jnp.array([1, 2, 5, 9])
    found = answered(index, **LEARNED)
    of_chain = terms.timed(log_snr, found, index, T)
    kl = terms.transition(log_snr, found, index, T)
    np.testing.assert_allclose(of_chain, 9.0 * kl, rtol=1e-12)
    in_the_limit = terms.timed(log_snr, found, index, CONTINUOUS)
    np.testing.assert_array_equal(in_the_limit, terms.integrand(found))


def test_the_first_latent_is_that_of_time_zero():
    _, x, eps, _ = drawn()
    alpha_sq = 1.0 / (1.0 + np.exp(-5.0))
    expected = np.sqrt(alpha_sq) * x + np.sqrt(1.0 - alpha_sq) * eps
    np.testing.assert_allclose(terms.first_latent(log_snr, x, eps), expected, rtol=1e-9)


def asking(calls):
    """A model with a learned variance that counts how often it is asked."""

    def denoise(z_t, t):
        calls.append(1)
        return Prediction(jnp.tanh(z_t), z_t, jax.nn.sigmoid(z_t))

    return Diffusion(log_snr, denoise)


LOSSES = {
    "bound": lambda model, decoder, pixels, eps, eps_0: denoising.elbo(
        model, decoder, pixels, jnp.arange(1, 5), jnp.arange(1, 5) / 9, eps, eps_0, T
    ),
    "hybrid": lambda model, decoder, pixels, eps, eps_0: denoising.hybrid(
        model, weightings.edm(), decoder, pixels, jnp.arange(1, 5), eps, eps_0, T
    ),
    "full": lambda model, decoder, pixels, eps, eps_0: elbo.full(
        model, decoder, pixels, jax.random.split(jax.random.key(0), 4), T, 2
    ),
    "curve": lambda model, decoder, pixels, eps, eps_0: elbo.curve(
        model, decoder, pixels, jax.random.split(jax.random.key(0), 4), T, 2
    ),
    "stratified": lambda model, decoder, pixels, eps, eps_0: elbo.stratified(
        model, decoder, pixels, jax.random.split(jax.random.key(0), 4), T, 4
    ),
    "dequantization": lambda model, decoder, pixels, eps, eps_0: dequantization.decoder(
        model, decoder, pixels, jax.random.split(jax.random.key(0), 4), T
    ),
}


@pytest.mark.parametrize("mean_from", ["x_hat", "z_0"])
@pytest.mark.parametrize("name", LOSSES)
def test_an_image_is_encoded_once_and_the_model_asked_at_most_once(name, mean_from):
    decoder, calls = closed_form.CountingCodec(17, mean_from), []
    pixels, _, eps, eps_0 = drawn()
    jax.eval_shape(
        lambda *given: LOSSES[name](asking(calls), decoder, *given), pixels, eps, eps_0
    )
    assert len(decoder.calls) == 1
    # A map's body is traced once, for all of its draws.
    is_free = name == "dequantization" and mean_from == "z_0"
    assert len(calls) == (0 if is_free else 1)


def test_an_image_is_encoded_once_in_continuous_time():
    decoder, calls = closed_form.CountingCodec(17, "z_0"), []
    pixels, _, eps, eps_0 = drawn()
    t = jnp.linspace(0.1, 0.9, 4)
    jax.eval_shape(
        lambda *given: denoising.elbo(
            asking(calls),
            decoder,
            given[0],
            jnp.zeros(4, int),
            t,
            *given[1:],
            CONTINUOUS,
        ),
        *(pixels, eps, eps_0),
    )
    assert len(decoder.calls) == 1 and len(calls) == 1


def test_bits_per_dim():
    assert terms.bits_per_dim(jnp.asarray(12.0 * np.log(2.0)), 4) == 3.0
