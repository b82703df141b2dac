import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets import embeddings
from tests.nets import reference, tools


def test_sinusoids_match_the_formula():
    times = np.array([0.0, 1.0, 17.5, 999.0])
    got = embeddings.sinusoidal(jnp.asarray(times, jnp.float32), 6)
    for i, frequency in enumerate([1.0, 0.01, 0.0001]):
        np.testing.assert_allclose(got[:, i], np.sin(times * frequency), atol=1e-4)
        np.testing.assert_allclose(got[:, 3 + i], np.cos(times * frequency), atol=1e-4)


@pytest.mark.parametrize("features", [2, 7, 0])
def test_sinusoids_refuse_what_they_cannot_split(features):
    with pytest.raises(ValueError, match=f"of {features} features.*even number from 4"):
        embeddings.sinusoidal(jnp.zeros(1), features)


def test_embedding_is_two_layers_each_with_its_activation():
    net = embeddings.TimeEmbedding(8, dtype=jnp.float32)
    times = jnp.array([0.0, 3.0, 500.0])
    variables = tools.random_variables(net, times, scale=0.3)
    got = tools.apply(net, variables, times)
    assert got.shape == (3, 32)
    want = reference.time_embedding(variables["params"], times, 8)
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_bfloat16_keeps_neighbouring_times_apart():
    # The nearest bfloat16 to 999 is 1000: sinusoids of a rounded time would be equal.
    net = embeddings.TimeEmbedding(8, dtype=jnp.bfloat16)
    times = jnp.array([999.0, 1000.0])
    # Not compiled: XLA may leave out roundings that the program asks for.
    emb = net.apply(tools.init(net, times), times)
    assert emb.dtype == jnp.bfloat16
    assert jnp.abs(emb[0] - emb[1]).max() > 0.01
