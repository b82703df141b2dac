import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.unet import UNet
from tests import later
from tests.nets import reference, tools
from tests.nets.tools import normal

CIFAR = dict(
    out_channels=3,
    base_features=128,
    feature_mults=(1, 2, 2, 2),
    blocks_per_level=2,
    attention_at=(16,),
)
WIDE = (1, 1, 2, 2, 4, 4)
OF_PAPERS = {
    # Ho et al. 2020, appendix B: 35.7 and 114 million.
    "ddpm_cifar10": (32, 35_746_307, CIFAR),
    "ddpm_celebahq256": (256, 113_673_219, CIFAR | {"feature_mults": WIDE}),
    # Dhariwal & Nichol 2021, unconditional at 256x256: 552.8 million.
    "adm_256": (
        256,
        552_814_086,
        dict(
            out_channels=6,
            base_features=256,
            feature_mults=WIDE,
            blocks_per_level=2,
            attention_at=(32, 16, 8),
            head_features=64,
            scale_shift=True,
            resample_blocks=True,
        ),
    ),
    # Nichol & Dhariwal 2021: 52.5 million.
    "iddpm_cifar10": (
        32,
        52_546_438,
        CIFAR
        | dict(
            out_channels=6,
            blocks_per_level=3,
            attention_at=(16, 8),
            num_heads=4,
            scale_shift=True,
        ),
    ),
}
OPTIONS = {
    "ddpm": {},
    "adm": {"scale_shift": True, "resample_blocks": True, "head_features": 8},
}


def tiny(**options):
    settings = dict(
        out_channels=3,
        base_features=8,
        feature_mults=(1, 2),
        blocks_per_level=1,
        attention_at=(4,),
        num_groups=4,
    )
    return UNet(**(settings | options))


def inputs(batch=2, height=8, width=8, channels=3):
    return normal(0, batch, height, width, channels), jnp.linspace(0.0, 999.0, batch)


def make_variables(net, x, time):
    """Away from their start, with an output of order one."""
    return tools.random_variables(net, x, time, train=False, scale=0.2)


def apply(net, variables, x, time):
    return tools.apply(net, variables, x, time, train=False)


def shapes(net, size):
    x, time = jnp.zeros((1, size, size, 3)), jnp.zeros(1)
    return jax.eval_shape(lambda: net.init(jax.random.key(0), x, time, train=False))


def value_and_grads(function, x, variables):
    """The images that function(variables) gives, and the gradient of their distance."""

    def loss(variables):
        y = function(variables)
        return jnp.mean(jnp.square(y - x)), y

    (_, y), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables)
    return y, grads


@pytest.fixture(
    scope="module", params=[pytest.param("ddpm", marks=pytest.mark.long), "adm"]
)
def at_once(request):
    """What a plain batch gives: (options, x, time, variables, y, grads)."""
    options = OPTIONS[request.param]
    net = tiny(**options)
    x, time = inputs(3)
    variables = make_variables(net, x, time)
    y, grads = value_and_grads(
        lambda v: net.apply(v, x, time, train=False), x, variables
    )
    return options, x, time, variables, y, grads


def assert_trees_close(got, want, rtol):
    """Each leaf to rtol of its own largest value."""
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, atol=rtol * (jnp.abs(b).max() + 1e-6))


@pytest.mark.parametrize("name", later.all_but(OF_PAPERS, list(OF_PAPERS)[1:-1]))
def test_number_of_parameters_is_the_papers(name):
    size, count, settings = OF_PAPERS[name]
    leaves = jax.tree.leaves(shapes(UNet(**settings), size))
    assert sum(leaf.size for leaf in leaves) == count


def test_unet_matches_numpy():
    net = tiny(blocks_per_level=2, feature_mults=(1, 2, 1))
    x, time = inputs(2, 8, 12)
    variables = make_variables(net, x, time)
    want = reference.unet(
        variables["params"],
        x,
        time,
        base_features=8,
        num_levels=3,
        blocks_per_level=2,
        num_groups=4,
    )
    got = apply(net, variables, x, time)
    assert 0.1 < want.std() < 100
    np.testing.assert_allclose(got, want, atol=1e-3 * want.std())


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_output_starts_next_to_zero_in_float32(options):
    net = tiny(out_channels=6, **options)
    x, time = inputs(2, height=8, width=12, channels=1)
    y, variables = jax.jit(lambda key: net.init_with_output(key, x, time, train=False))(
        jax.random.key(1)
    )
    assert y.shape == (2, 8, 12, 6) and y.dtype == jnp.float32
    assert 0 < jnp.abs(y).max() < 1e-3
    assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.long
def test_single_examples_under_vmap_give_the_batch(at_once):
    options, x, time, variables, y, grads = at_once
    net = tiny(**options)

    def one(variables, x, time):
        return net.apply(variables, x[None], time[None], train=False)[0]

    got = value_and_grads(
        lambda v: jax.vmap(one, in_axes=(None, 0, 0))(v, x, time), x, variables
    )
    assert_trees_close(got, (y, grads), rtol=1e-4)


def test_remat_changes_no_number(at_once):
    options, x, time, variables, y, grads = at_once
    net = tiny(remat=True, **options)
    got = value_and_grads(lambda v: net.apply(v, x, time, train=False), x, variables)
    assert_trees_close(got, (y, grads), rtol=1e-4)


def test_gradients_reach_every_parameter_but_the_keys_bias(at_once):
    *_, grads = at_once
    for path, grad in jax.tree_util.tree_leaves_with_path(grads):
        if "qkv" in jax.tree_util.keystr(path) and grad.ndim == 2:
            np.testing.assert_array_equal(grad[1], 0.0)
            grad = grad[jnp.array([0, 2])]
        assert (grad != 0).mean() > 0.9, jax.tree_util.keystr(path)


def test_bfloat16_is_near_float32(at_once):
    options, x, time, variables, want, _ = at_once
    got = apply(tiny(dtype=jnp.bfloat16, **options), variables, x, time)
    assert got.dtype == jnp.float32
    error = jnp.sqrt(jnp.mean(jnp.square(got - want)))
    # bfloat16 rounds by 0.2% on average; some thirty roundings lie on the way.
    assert 0 < error < 0.05 * want.std()


def test_remat_drops_out_what_the_forward_pass_dropped():
    x, time = inputs()
    level = {"feature_mults": (1,), "attention_at": (), "dropout": 0.5}
    variables = make_variables(tiny(**level), x, time)

    def train(remat):
        net = tiny(remat=remat, **level)
        rngs = {"dropout": jax.random.key(7)}
        return value_and_grads(
            lambda v: net.apply(v, x, time, train=True, rngs=rngs), x, variables
        )

    assert_trees_close(train(remat=True), train(remat=False), rtol=1e-4)


def test_dropout_under_vmap_belongs_to_the_example():
    net = tiny(feature_mults=(1,), attention_at=(), dropout=0.5)
    x, time = inputs(3)
    variables = make_variables(net, x, time)
    keys = jax.random.split(jax.random.key(5), 3)

    def one(x, time, key):
        return net.apply(
            variables, x[None], time[None], train=True, rngs={"dropout": key}
        )[0]

    together = jax.jit(jax.vmap(one))(x, time, keys)
    alone = jax.jit(one)
    for i in range(3):
        want = alone(x[i], time[i], keys[i])
        np.testing.assert_allclose(together[i], want, atol=1e-4 * want.std())
    dry = apply(net, variables, x, time)
    assert (jnp.abs(together - dry).max(axis=(1, 2, 3)) > 0.1 * dry.std()).all()


def test_remat_is_in_the_program():
    def program(remat):
        net, (x, time) = tiny(remat=remat), inputs()
        step = jax.make_jaxpr(lambda v: net.apply(v, x, time, train=False))
        return str(step(shapes(net, 8)))

    assert "remat" in program(True) and "remat" not in program(False)


def test_bfloat16_holds_all_activations_but_the_last():
    net = tiny(dtype="bfloat16")
    inside = tools.shapes_inside(net, *inputs(), train=False)
    wide = {
        str(path[0].key)
        for path, value in jax.tree_util.tree_leaves_with_path(inside)
        if value.dtype != jnp.bfloat16
    }
    assert wide == {"norm_out", "conv_out", "__call__"}


def test_examples_do_not_see_one_another_but_see_their_time():
    net = tiny(feature_mults=(1,), attention_at=(8,))
    x, time = inputs(3)
    variables = make_variables(net, x, time)
    run = jax.jit(lambda x, time: net.apply(variables, x, time, train=False))
    y = run(x, time)
    order = jnp.array([2, 0, 1])
    np.testing.assert_allclose(
        run(x[order], time[order]), y[order], atol=1e-4 * y.std()
    )
    other = run(x, time.at[0].add(1.0))
    assert jnp.abs(other[0] - y[0]).max() > 1e-3 * y.std()
    np.testing.assert_allclose(other[1:], y[1:], atol=1e-4 * y.std())


def test_fourier_features_and_conditions_come_in():
    net = tiny(fourier_exponents=(7, 8), num_conditions=2)
    x, time = inputs()
    conditions = normal(1, 2, 2)
    variables = tools.random_variables(net, x, time, conditions, train=False, scale=0.2)
    params = variables["params"]
    assert params["conv_in"]["kernel"].shape == (3, 3, 3 + 2 * 2 * 3, 8)
    assert params["time"]["dense_0"]["kernel"].shape == (8 + 2, 32)
    plain = shapes(tiny(), 8)["params"]
    assert plain["conv_in"]["kernel"].shape == (3, 3, 3, 8)
    assert plain["time"]["dense_0"]["kernel"].shape == (8, 32)

    run = jax.jit(lambda *args: net.apply(variables, *args, train=False))
    y = run(x, time)
    np.testing.assert_array_equal(run(x, time, jnp.zeros((2, 2))), y)
    other = run(x, time, conditions.at[1].set(0.0))
    assert jnp.abs(other[0] - y[0]).max() > 1e-2 * y.std()
    np.testing.assert_allclose(other[1], y[1], atol=1e-4 * y.std())
