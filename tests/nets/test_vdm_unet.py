"""The network of variational diffusion: its size, its start, what it sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.vdm_unet import VDMUNet
from tests.nets import reference, tools
from tests.nets.tools import normal


def tiny(**options):
    settings = dict(out_channels=3, base_features=8, num_layers=2, num_groups=4)
    return VDMUNet(**(settings | options))


def inputs(batch=2, size=8):
    return normal(0, batch, size, size, 3), jnp.linspace(0.0, 1000.0, batch)


def make_variables(net, *args):
    """Away from their start, with an output of order one."""
    return tools.random_variables(net, *args, train=False, scale=0.2)


def apply(net, variables, *args):
    return tools.apply(net, variables, *args, train=False)


def shapes(net, size):
    x, time = jnp.zeros((1, size, size, 3)), jnp.zeros(1)
    return jax.eval_shape(lambda: net.init(jax.random.key(0), x, time, train=False))


def output_and_grads(net, variables, x, time, **options):
    """The output, and the gradient of its distance to half of the input."""

    def loss(variables):
        y = net.apply(variables, x, time, **options)
        return jnp.mean(jnp.square(y - 0.5 * x)), y

    (_, y), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables)
    return y, grads


def assert_trees_close(got, want, rtol):
    """Each leaf to rtol of its own largest value."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, atol=rtol * (jnp.abs(b).max() + 1e-6))


def differs(y, other):
    return jnp.abs(y - other).max() > 1e-2 * y.std()


def test_number_of_parameters_is_known():
    """Of a small one; those of the published configs are in test_configs."""
    net = VDMUNet(out_channels=3, base_features=32, num_layers=4)
    leaves = jax.tree.leaves(shapes(net, 16))
    assert sum(leaf.size for leaf in leaves) == 337_155


def in_numpy(params, x, time, conditions, *, features, num_layers, num_groups):
    """The network again, with one head and frequencies of 2^7 pi and 2^8 pi."""
    x, time = np.asarray(x, np.float64), np.asarray(time, np.float64)
    angles = time[:, None] * 10_000.0 ** (
        -np.arange(features // 2) / (features // 2 - 1)
    )
    emb = np.concatenate([np.sin(angles), np.cos(angles), conditions], axis=1)
    for name in ("dense_0", "dense_1"):
        emb = reference.silu(reference.dense(params["time"][name], emb))

    def stage(name, h):
        res = params[name]["res"]
        res = res | {"emb": {"kernel": res["emb"]["kernel"], "bias": 0.0}}
        return reference.stage(params[name] | {"res": res}, h, emb, num_groups)

    angles = np.pi * (x[..., None] * np.array([128.0, 256.0]))
    angles = angles.reshape(*x.shape[:-1], -1)
    h = np.concatenate([x, np.sin(angles), np.cos(angles)], axis=-1)
    h = reference.conv(params["conv_in"], h)
    skips = [h]
    for i in range(num_layers):
        h = stage(f"down_{i}", h)
        skips.append(h)
    h = stage("middle_1", stage("middle_0", h))
    for i in range(num_layers + 1):
        h = stage(f"up_{i}", np.concatenate([h, skips[num_layers - i]], axis=-1))
    h = reference.silu(reference.group_norm(params["norm_out"], h, num_groups))
    h = reference.conv(params["conv_out"], h)
    h[..., :3] += x
    return h


@pytest.mark.parametrize("everywhere", [False, True])
def test_network_matches_numpy(everywhere):
    net = tiny(out_channels=6, num_conditions=2, attention_everywhere=everywhere)
    x, time = inputs()
    conditions = normal(1, 2, 2)
    variables = make_variables(net, x, time, conditions)
    want = in_numpy(
        variables["params"],
        x,
        time,
        conditions,
        features=8,
        num_layers=2,
        num_groups=4,
    )
    got = apply(net, variables, x, time, conditions)
    assert 0.1 < want[..., 3:].std() < 100
    np.testing.assert_allclose(got, want, atol=1e-3 * want.std())


def test_output_starts_as_the_input_in_float32():
    net = tiny()
    x, time = inputs()
    variables = tools.init(net, x, time, train=False)
    y = apply(net, variables, x, time)
    assert y.dtype == jnp.float32
    assert 0 < jnp.abs(y - x).max() < 1e-3
    assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def test_channels_beyond_the_inputs_start_at_zero():
    net = tiny(out_channels=6)
    x, time = inputs()
    y = apply(net, tools.init(net, x, time, train=False), x, time)
    assert y.shape == (2, 8, 8, 6)
    np.testing.assert_allclose(y[..., :3], x, atol=1e-3)
    np.testing.assert_allclose(y[..., 3:], 0.0, atol=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_remat_changes_no_number(dropout):
    x, time = inputs()
    net, other = (tiny(dropout=dropout, remat=remat) for remat in (False, True))
    variables = make_variables(net, x, time)
    options = dict(train=True, rngs={"dropout": jax.random.key(7)})
    want = output_and_grads(net, variables, x, time, **options)
    got = output_and_grads(other, variables, x, time, **options)
    assert_trees_close(got, want, rtol=1e-4)


def test_remat_is_in_the_program():
    def program(remat):
        net, (x, time) = tiny(remat=remat), inputs()
        step = jax.make_jaxpr(lambda v: net.apply(v, x, time, train=False))
        return str(step(shapes(net, 8)))

    assert "remat" in program(True) and "remat" not in program(False)


def test_gradients_reach_every_parameter_but_the_keys_bias():
    net = tiny(attention_everywhere=True)
    x, time = inputs()
    conditions = normal(3, 2, 1)
    variables = make_variables(net, x, time, conditions)

    def loss(variables):
        y = net.apply(variables, x, time, conditions, train=False)
        return jnp.mean(jnp.square(y - 0.5 * x))

    grads = jax.jit(jax.grad(loss))(variables)
    for path, grad in jax.tree_util.tree_leaves_with_path(grads):
        if "qkv" in jax.tree_util.keystr(path) and grad.ndim == 2:
            grad = grad[jnp.array([0, 2])]
        assert (grad != 0).mean() > 0.9, jax.tree_util.keystr(path)


def test_bfloat16_is_near_float32():
    x, time = inputs()
    variables = make_variables(tiny(), x, time)
    want = apply(tiny(), variables, x, time)
    got = apply(tiny(dtype=jnp.bfloat16), variables, x, time)
    assert got.dtype == jnp.float32
    error = jnp.sqrt(jnp.mean(jnp.square(got - want)))
    # Of what the network adds: the input comes out as it went in.
    assert 0 < error < 0.05 * (want - x).std()


def test_bfloat16_holds_all_activations_but_the_last():
    inside = tools.shapes_inside(tiny(dtype="bfloat16"), *inputs(), train=False)
    wide = {
        str(path[0].key)
        for path, value in jax.tree_util.tree_leaves_with_path(inside)
        if value.dtype != jnp.bfloat16
    }
    assert wide == {"norm_out", "conv_out", "__call__"}


def test_dropout_is_for_training_alone():
    net = tiny(dropout=0.5)
    x, time = inputs()
    variables = make_variables(net, x, time)
    dry = apply(net, variables, x, time)
    np.testing.assert_array_equal(dry, apply(tiny(), variables, x, time))
    one, same, other = (
        tools.apply(
            net, variables, x, time, train=True, rngs={"dropout": jax.random.key(key)}
        )
        for key in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert differs(dry, one) and differs(one, other)


def test_conditions_act_and_none_stands_for_zeros():
    net = tiny(num_conditions=2)
    x, time = inputs()
    conditions = normal(1, 2, 2)
    variables = make_variables(net, x, time, conditions)
    none = apply(net, variables, x, time)
    zeros = apply(net, variables, x, time, jnp.zeros((2, 2)))
    np.testing.assert_array_equal(none, zeros)
    for i in (0, 1):
        one = conditions.at[:, 1 - i].set(0.0)
        change = jnp.abs(apply(net, variables, x, time, one) - none)
        assert (change.max(axis=(1, 2, 3)) > 1e-3 * none.std()).all()


@pytest.mark.parametrize("shape", [(2, 2), (2, 0), (3, 1)])
def test_another_number_of_conditions_is_an_error(shape):
    net = tiny()
    x, time = inputs()
    # By the annotation's check here; without it, by what has no such shape.
    with pytest.raises(Exception, match=r"conditions|shape"):
        jax.eval_shape(
            lambda: net.init(jax.random.key(0), x, time, jnp.zeros(shape), train=False)
        )


def test_the_middle_alone_attends_unless_all_do():
    def attending(net):
        params = shapes(net, 8)["params"]
        return {name for name, value in params.items() if "attention" in value}

    assert attending(tiny()) == {"middle_0"}
    assert attending(tiny(attention_everywhere=True)) == {
        "down_0",
        "down_1",
        "middle_0",
        "up_0",
        "up_1",
        "up_2",
    }


def test_no_stage_changes_the_resolution():
    inside = tools.shapes_inside(tiny(), *inputs(), train=False)
    outputs = {
        name: value["__call__"][0].shape
        for name, value in inside.items()
        if name.startswith(("down", "middle", "up"))
    }
    assert len(outputs) == 2 + 2 + 3
    assert set(outputs.values()) == {(2, 8, 8, 8)}


@pytest.mark.parametrize("features, groups", [(8, 3), (12, 8)])
def test_groups_that_do_not_divide_the_channels_are_refused(features, groups):
    net = tiny(base_features=features, num_groups=groups)
    with pytest.raises(ValueError, match=rf"num_groups = {groups} .* \[{features}\]"):
        shapes(net, 8)


def test_examples_do_not_see_one_another_but_see_their_time():
    net = tiny()
    x, time = inputs(3)
    variables = make_variables(net, x, time)
    run = jax.jit(lambda x, time: net.apply(variables, x, time, train=False))
    y = run(x, time)
    other = run(x, time.at[0].add(1.0))
    assert jnp.abs(other[0] - y[0]).max() > 1e-3 * y.std()
    np.testing.assert_allclose(other[1:], y[1:], atol=1e-4 * y.std())
    order = jnp.array([2, 0, 1])
    np.testing.assert_allclose(
        run(x[order], time[order]), y[order], atol=1e-4 * y.std()
    )
