import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets import layers
from ddpm_jax.nets.blocks import ResBlock, Stage
from tests.nets import reference, tools
from tests.nets.tools import normal

COMMON = dict(num_groups=2, epsilon=1e-6, zero_embedding=False, dtype=jnp.float32)


def res_block(features=8, dropout=0.0, scale_shift=False, resample="none"):
    return ResBlock(
        features, dropout=dropout, scale_shift=scale_shift, resample=resample, **COMMON
    )


def stage(features=8, num_heads=0):
    return Stage(features, num_heads, dropout=0.0, scale_shift=False, **COMMON)


@pytest.mark.parametrize("features", [8, 6])
def test_res_block_matches_numpy(features):
    block = res_block(features)
    x, emb = normal(0, 2, 4, 6, 8), normal(1, 2, 5)
    variables = tools.random_variables(block, x, emb, False, scale=0.5)
    assert ("shortcut" in variables["params"]) == (features != 8)
    want = reference.res_block(variables["params"], x, emb, num_groups=2)
    got = tools.apply(block, variables, x, emb, False)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


def test_scale_shift_acts_on_the_second_norm():
    block = res_block(scale_shift=True)
    x, emb = normal(0, 2, 4, 4, 8), normal(1, 2, 5)
    variables = tools.random_variables(block, x, emb, False, scale=0.5)
    params = variables["params"]
    scale, shift = np.split(
        reference.dense(params["emb"], emb)[:, None, None, :], 2, -1
    )
    h = reference.silu(reference.group_norm(params["norm_0"], x, 2))
    h = reference.group_norm(params["norm_1"], reference.conv(params["conv_0"], h), 2)
    h = reference.silu(h * (1.0 + scale) + shift)
    want = x + reference.conv(params["conv_1"], h)
    got = tools.apply(block, variables, x, emb, False)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "resample, start",
    [("none", lambda x: x), ("up", layers.upsample), ("down", layers.downsample)],
)
@pytest.mark.parametrize("scale_shift", [False, True])
def test_res_block_starts_as_its_resampling(resample, start, scale_shift):
    block = res_block(resample=resample, scale_shift=scale_shift)
    x, emb = normal(0, 2, 4, 6, 8), normal(1, 2, 5)
    y = tools.apply(block, tools.init(block, x, emb, False), x, emb, False)
    np.testing.assert_allclose(y, start(x), atol=1e-3)


@pytest.mark.parametrize("resample, factor", [("up", 2.0), ("down", 0.5)])
def test_res_block_resamples_before_its_first_convolution(resample, factor):
    # So that both convolutions work at the new resolution, as BigGAN's do.
    block = res_block(resample=resample)
    x, emb = normal(0, 1, 4, 4, 8), normal(1, 1, 5)
    shapes = tools.shapes_inside(block, x, emb, False)
    for name in ("conv_0", "norm_1", "conv_1"):
        assert shapes[name]["__call__"][0].shape[1:3] == (4 * factor, 4 * factor)


def test_dropout_is_for_training_and_follows_its_key():
    block = res_block(dropout=0.5)
    x, emb = normal(0, 2, 4, 4, 8), normal(1, 2, 5)
    variables = tools.random_variables(block, x, emb, False, scale=0.5)

    def run(seed):
        return block.apply(
            variables, x, emb, True, rngs={"dropout": jax.random.key(seed)}
        )

    np.testing.assert_array_equal(run(3), run(3))
    assert jnp.abs(run(3) - run(4)).max() > 0.1
    dry = tools.apply(block, variables, x, emb, False)
    still = tools.apply(res_block(dropout=0.0), variables, x, emb, True)
    np.testing.assert_array_equal(dry, still)


def test_dropout_keeps_the_second_convolution_right_on_average():
    # The mean over 4,000 keys is within 6 standard errors everywhere: with 128 values,
    # a correct block fails once in some four million seeds.
    block = res_block(dropout=0.3)
    x, emb = normal(0, 1, 4, 4, 8), normal(1, 1, 5)
    variables = tools.random_variables(block, x, emb, False, scale=0.5)
    keys = jax.random.split(jax.random.key(3), 4_000)

    def draw(key):
        return block.apply(variables, x, emb, True, rngs={"dropout": key})

    draws = jax.jit(jax.vmap(draw))(keys)
    error = draws.mean(axis=0) - tools.apply(block, variables, x, emb, False)
    assert (jnp.abs(error) < 6 * draws.std(axis=0) / np.sqrt(len(keys))).all()


def test_stage_joins_its_inputs_in_order():
    x, skip, emb = normal(0, 2, 4, 4, 8), normal(1, 2, 4, 4, 4), normal(2, 2, 5)
    block = stage()
    variables = tools.random_variables(block, (x, skip), emb, False, scale=0.5)
    joined = np.concatenate([x, skip], axis=-1)
    want = reference.stage(variables["params"], joined, emb, num_groups=2)
    got = tools.apply(block, variables, (x, skip), emb, False)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("num_heads", [0, 1])
def test_stage_attends_where_it_has_heads(num_heads):
    x, emb = normal(0, 2, 4, 4, 8), normal(2, 2, 5)
    block = stage(num_heads=num_heads)
    variables = tools.random_variables(block, (x,), emb, False, scale=0.5)
    assert ("attention" in variables["params"]) == bool(num_heads)
    want = reference.stage(variables["params"], np.asarray(x), emb, num_groups=2)
    got = tools.apply(block, variables, (x,), emb, False)
    np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-3)
