"""The network of points: against numpy, its start, and what it sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.interface import Interface
from ddpm_jax.nets.mlp import CHOICE, MLP
from tests.nets import reference, tools
from tests.nets.tools import normal


def tiny(**options):
    settings = dict(out_channels=2, features=8, num_blocks=2, time_features=4)
    return MLP(**(settings | options))


def inputs(batch=3, shape=(1, 1, 2)):
    return normal(0, batch, *shape), jnp.linspace(0.0, 999.0, batch)


def variables_of(net, *args, **options):
    return tools.random_variables(net, *args, train=False, scale=0.4, **options)


def in_numpy(params, x, time, *, time_features, num_blocks):
    x, time = np.asarray(x, np.float64), np.asarray(time, np.float64)
    half = time_features // 2
    angles = time[:, None] * 10_000.0 ** (-np.arange(half) / (half - 1))
    emb = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    for name in ("dense_0", "dense_1"):
        emb = reference.silu(reference.dense(params["time"][name], emb))
    h = reference.dense(params["dense_in"], x.reshape(len(x), -1))
    for i in range(num_blocks):
        block = params[f"block_{i}"]
        branch = reference.dense(block["dense_0"], reference.silu(h))
        branch = reference.silu(branch + reference.dense(block["emb"], emb))
        h = h + reference.dense(block["dense_1"], branch)
    return reference.dense(params["dense_out"], reference.silu(h))


@pytest.mark.parametrize(
    "shape, channels", [((1, 1, 1), 1), ((1, 1, 2), 4), ((2, 3, 1), 2)]
)
def test_network_matches_numpy_for_images_of_any_shape(shape, channels):
    net = tiny(out_channels=channels)
    x, time = inputs(shape=shape)
    variables = variables_of(net, x, time)
    want = in_numpy(variables["params"], x, time, time_features=4, num_blocks=2)
    got = tools.apply(net, variables, x, time, train=False)
    assert got.shape == (3, *shape[:2], channels) and got.dtype == jnp.float32
    assert np.abs(want).max() > 0.1
    np.testing.assert_allclose(got.reshape(3, -1), want, rtol=1e-4, atol=1e-4)


def test_the_output_starts_at_next_to_nothing():
    net = tiny()
    x, time = inputs()
    variables = tools.init(net, x, time, train=False)
    assert jnp.abs(tools.apply(net, variables, x, time, train=False)).max() < 1e-3


def test_blocks_computed_twice_are_the_same():
    x, time = inputs()
    plain, remat = tiny(), tiny(remat=True)
    variables = variables_of(plain, x, time)

    def gradient(net):
        def loss(variables):
            return jnp.sum(jnp.square(net.apply(variables, x, time, train=False)))

        return jax.jit(jax.grad(loss))(variables)

    for a, b in zip(*map(jax.tree.leaves, map(gradient, (plain, remat))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_it_is_told_classes_conditions_and_frequencies():
    net = tiny(num_classes=3, num_conditions=1, fourier_exponents=(0, 1))
    x, time = inputs()
    labels, conditions = jnp.array([0, 2, 1]), jnp.ones((3, 1))
    variables = variables_of(net, x, time, conditions, labels)
    assert variables["params"]["dense_in"]["kernel"].shape == (2 * 5, 8)

    def output(conditions, labels):
        return tools.apply(net, variables, x, time, conditions, labels, train=False)

    first = output(conditions, labels)
    for other in (
        output(0.0 * conditions, labels),
        output(conditions, labels[::-1]),
        output(conditions, None),
    ):
        assert jnp.abs(first - other).max() > 1e-3
    np.testing.assert_allclose(output(conditions, None), output(conditions, labels - 9))


def test_dropout_is_of_training_alone():
    net = tiny(dropout=0.5)
    x, time = inputs()
    variables = variables_of(net, x, time)
    keys = [{"dropout": jax.random.key(i)} for i in range(2)]
    one, other = (
        tools.apply(net, variables, x, time, train=True, rngs=rngs) for rngs in keys
    )
    assert jnp.abs(one - other).max() > 1e-3
    whole = tools.apply(net, variables, x, time, train=False)
    without = tools.apply(tiny(), variables, x, time, train=True)
    np.testing.assert_array_equal(whole, without)


def test_activations_have_the_dtype_and_parameters_not():
    x, time = inputs()
    net = CHOICE.make(CHOICE.options(dtype="bfloat16"), Interface(2))
    shapes = tools.shapes_inside(net, x, time, train=False)
    assert shapes["block_0"]["__call__"][0].dtype == jnp.bfloat16
    variables = jax.eval_shape(
        lambda: net.init(jax.random.key(0), x, time, train=False)
    )
    assert {a.dtype.name for a in jax.tree.leaves(variables)} == {"float32"}


def test_options_reach_it():
    made = CHOICE.make(CHOICE.options(features=5, num_blocks=7), Interface(4, 3, 0.5))
    assert (made.features, made.num_blocks, made.out_channels) == (5, 7, 4)
    assert (made.num_classes, made.label_dropout, made.dropout) == (3, 0.5, 0.0)
    with pytest.raises(ValueError, match="time_features = 5: write an even number"):
        CHOICE.options(time_features=5)
