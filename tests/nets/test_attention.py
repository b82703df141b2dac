import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.attention import QueryKeyValue, SelfAttention
from tests.nets import reference, tools
from tests.nets.tools import normal


def make(num_heads=1, dtype=jnp.float32):
    block = SelfAttention(num_heads, num_groups=2, epsilon=1e-6, dtype=dtype)
    return block, tools.random_variables(block, jnp.zeros((1, 2, 2, 8)))


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_attention_matches_numpy(num_heads):
    block, variables = make(num_heads)
    x = normal(9, 2, 3, 4, 8)
    want = reference.attention(variables["params"], x, 2, num_heads)
    got = tools.apply(block, variables, x)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


def test_attention_starts_as_the_identity():
    block, _ = make()
    x = normal(9, 2, 4, 4, 8)
    y = tools.apply(block, tools.init(block, x), x)
    np.testing.assert_allclose(y, x, atol=1e-4)


def test_attention_does_not_know_where_pixels_are():
    block, variables = make(num_heads=2)
    x = normal(9, 1, 4, 4, 8).reshape(1, 16, 8)
    order = np.random.default_rng(1).permutation(16)

    def attend(pixels):
        y = tools.apply(block, variables, pixels.reshape(1, 4, 4, 8))
        return y.reshape(1, 16, 8)

    np.testing.assert_allclose(attend(x[:, order]), attend(x)[:, order], atol=1e-4)


def test_gradient_of_the_keys_bias_is_exactly_zero_as_in_theory():
    block, variables = make(num_heads=2)
    x, target = normal(9, 2, 4, 4, 8), normal(10, 2, 4, 4, 8)

    def loss(variables):
        return jnp.mean(jnp.square(block.apply(variables, x) - target))

    grad = jax.jit(jax.grad(loss))(variables)["params"]["qkv"]["bias"]
    np.testing.assert_array_equal(grad[1], 0.0)
    assert jnp.abs(grad[0]).min() > 0 and jnp.abs(grad[2]).min() > 0

    moved = jax.tree.map(jnp.array, variables)
    moved["params"]["qkv"]["bias"] = variables["params"]["qkv"]["bias"].at[1].add(1.0)
    want = tools.apply(block, variables, x)
    got = tools.apply(block, moved, x)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


def test_each_of_query_key_and_value_starts_as_a_dense_layer_would():
    layer = QueryKeyValue(jnp.float32)
    variables = tools.init(layer, jnp.zeros((1, 1, 64)))
    bound = np.sqrt(3.0 / 64)
    peaks = jnp.abs(variables["params"]["kernel"]).max(axis=(0, 2))
    assert peaks.shape == (3,)
    assert (peaks > 0.99 * bound).all() and (peaks <= bound).all()


def test_bfloat16_attention_is_near_float32():
    x = normal(9, 2, 8, 8, 8)
    exact, variables = make(num_heads=2)
    rounded, _ = make(num_heads=2, dtype=jnp.bfloat16)
    got = tools.apply(rounded, variables, x.astype(jnp.bfloat16))
    want = tools.apply(exact, variables, x)
    assert got.dtype == jnp.bfloat16
    error = jnp.sqrt(jnp.mean(jnp.square(got.astype(jnp.float32) - want)))
    assert error < 0.03 * jnp.std(want)


def test_heads_must_divide_the_channels():
    block = SelfAttention(3, num_groups=2, epsilon=1e-6, dtype=jnp.float32)
    with pytest.raises(ValueError, match="num_heads = 3 does not divide 8 channels"):
        block.init(jax.random.key(0), jnp.zeros((1, 2, 2, 8)))
