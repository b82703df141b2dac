import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets import layers
from tests.nets import reference, tools
from tests.nets.tools import normal


def group_norm(num_groups, epsilon=1e-6, dtype=jnp.float32):
    return layers.GroupNorm(num_groups, epsilon, dtype)


def test_group_norm_matches_numpy():
    x = 3.0 * normal(0, 2, 4, 6, 12) + normal(1, 1, 1, 1, 12)
    params = {"scale": normal(2, 12), "bias": normal(3, 12)}
    got = tools.apply(group_norm(3, epsilon=0.1), {"params": params}, x)
    want = reference.group_norm(params, x, 3, epsilon=0.1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_group_norm_does_not_see_an_affine_change_of_a_group():
    x = normal(0, 2, 8, 8, 6)
    norm = group_norm(2)
    variables = tools.init(norm, x)
    gain = jnp.array([2.0, 2.0, 2.0, 7.0, 7.0, 7.0])[None, None, None, :]
    got = tools.apply(norm, variables, gain * x + 0.5)
    np.testing.assert_allclose(got, tools.apply(norm, variables, x), atol=1e-5)


def test_group_norm_of_a_constant_is_the_bias():
    # The difference of E[x^2] and E[x]^2 rounds to either side of zero.
    values = np.linspace(0.1, 3.0, 20, dtype=np.float32)
    x = jnp.asarray(np.broadcast_to(values[:, None, None, None], (20, 5, 7, 4)))
    params = {"scale": jnp.ones(4), "bias": jnp.arange(4.0)}
    got = tools.apply(group_norm(1), {"params": params}, x)
    np.testing.assert_allclose(got, np.broadcast_to(np.arange(4.0), x.shape), atol=1e-3)


def test_group_norm_of_bfloat16_takes_its_statistics_in_float32():
    x = (10.0 + normal(0, 2, 16, 16, 8)).astype(jnp.bfloat16)
    norm = group_norm(2, dtype=jnp.bfloat16)
    variables = tools.init(norm, x)
    got = tools.apply(norm, variables, x)
    assert got.dtype == jnp.bfloat16
    assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    want = reference.group_norm(variables["params"], x, 2)
    # Half a unit of bfloat16's 8 bits: only the result is rounded.
    np.testing.assert_allclose(got.astype(jnp.float32), want, rtol=2**-8, atol=1e-3)


def test_group_norm_names_the_groups_that_would_do():
    with pytest.raises(
        ValueError, match=r"num_groups = 5 .* \[12\].* \[1, 2, 3, 4, 6, 12\]"
    ):
        group_norm(5).init(jax.random.key(0), jnp.zeros((1, 2, 2, 12)))
    with pytest.raises(ValueError, match="num_groups = 0"):
        layers.check_groups(0, [12])


@pytest.mark.parametrize("stride, shape", [(1, (2, 5, 4, 3)), (2, (2, 6, 4, 3))])
def test_conv_pads_as_it_says(stride, shape):
    x = normal(0, *shape)
    conv = layers.conv(2, name="layer", stride=stride, dtype=jnp.float32)
    params = {"kernel": normal(1, 3, 3, 3, 2), "bias": normal(2, 2)}
    want = reference.conv(params, x, stride)
    got = tools.apply(conv, {"params": params}, x)
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_resampling_is_repetition_and_mean():
    x = normal(0, 2, 3, 4, 5)
    np.testing.assert_array_equal(
        layers.upsample(x), reference.repeat_pixels(np.asarray(x))
    )
    y = normal(1, 2, 4, 6, 3)
    corners = y[:, ::2, ::2] + y[:, 1::2, ::2] + y[:, ::2, 1::2] + y[:, 1::2, 1::2]
    np.testing.assert_allclose(layers.downsample(y), corners / 4, atol=1e-6)


def test_upsample_conv_is_one_after_the_other():
    x = normal(0, 2, 3, 4, 5)
    params = {"kernel": normal(1, 3, 3, 5, 2), "bias": normal(2, 2)}
    layer = layers.UpsampleConv(2, dtype=jnp.float32)
    got = tools.apply(layer, {"params": params}, x)
    want = reference.conv(params, reference.repeat_pixels(np.asarray(x)))
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_kernels_start_uniform_with_the_variance_of_both_fans():
    kernel = layers.kernel_init()(jax.random.key(0), (3, 3, 16, 48))
    bound = np.sqrt(3.0 / (9 * (16 + 48) / 2))
    assert 0.99 * bound < jnp.abs(kernel).max() <= bound
    # The variance of 6,912 draws is within 5 standard errors, each 0.9/sqrt(6912).
    assert abs(kernel.var() / (bound**2 / 3) - 1) < 5 * 0.9 / np.sqrt(kernel.size)


def test_scale_zero_starts_next_to_zero():
    x = normal(0, 1, 4, 4, 8)
    for layer in (
        layers.conv(8, name="layer", scale=0.0, dtype=jnp.float32),
        layers.dense(8, name="layer", scale=0.0, dtype=jnp.float32),
    ):
        variables = tools.init(layer, x)
        assert jnp.abs(tools.apply(layer, variables, x)).max() < 1e-4
        assert jnp.abs(variables["params"]["kernel"]).min() > 0
