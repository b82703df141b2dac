"""The classifier of noisy images, and the half of a U-Net that it is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.classifier import Classifier
from ddpm_jax.nets.unet import UNet
from ddpm_jax.nets.vdm_unet import VDMUNet
from tests.nets import reference, tools
from tests.nets.tools import normal

SIZES = dict(
    base_features=8,
    feature_mults=(1, 2),
    blocks_per_level=1,
    attention_at=(2,),
    num_groups=4,
)
IMAGES, TIMES = normal(0, 3, 4, 4, 1), jnp.array([0.0, 3.0, 9.0])


@pytest.fixture(scope="module")
def net():
    return Classifier(num_outputs=5, dropout=0.5, scale_shift=True, **SIZES)


@pytest.fixture(scope="module")
def variables(net):
    return tools.random_variables(net, IMAGES, TIMES, scale=0.3, train=False)


def test_it_starts_with_all_classes_alike(net):
    start = tools.init(net, IMAGES, TIMES, train=False)
    found = tools.apply(net, start, IMAGES, TIMES, train=False)
    assert found.logits.shape == (3, 5) and found.logits.dtype == jnp.float32
    assert found.features.shape == (3, 16) and found.features.dtype == jnp.float32
    assert 0.0 < jnp.abs(found.logits).max() < 1e-3
    np.testing.assert_allclose(jax.nn.softmax(found.logits), 0.2, atol=1e-3)
    # What it sees of the images is there from the start.
    assert jnp.abs(found.features[0] - found.features[1]).max() > 0.01


def test_logits_are_linear_in_the_features(net, variables):
    found = tools.apply(net, variables, IMAGES, TIMES, train=False)
    want = reference.dense(variables["params"]["logits"], np.asarray(found.features))
    np.testing.assert_allclose(found.logits, want, atol=1e-4)


def test_features_are_means_over_the_last_level(net, variables):
    _, state = jax.jit(
        lambda v: net.apply(
            v, IMAGES, TIMES, train=False, mutable=True, capture_intermediates=True
        )
    )(variables)
    (last,) = state["intermediates"]["norm_out"]["__call__"]
    assert last.shape == (3, 2, 2, 16)
    want = reference.silu(np.asarray(last, np.float64)).mean(axis=(1, 2))
    got = tools.apply(net, variables, IMAGES, TIMES, train=False).features
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_each_image_is_seen_with_its_own_time_and_by_itself(net, variables):
    apply = jax.jit(lambda x, t: net.apply(variables, x, t, train=False).logits)
    whole = apply(IMAGES, TIMES)
    for i in range(3):
        alone = apply(IMAGES[i : i + 1], TIMES[i : i + 1])[0]
        np.testing.assert_allclose(alone, whole[i], atol=1e-5)
    later = apply(IMAGES, TIMES + 5.0)
    assert jnp.all(jnp.abs(later - whole).max(axis=1) > 1e-4)


def test_training_drops_out_by_its_keys(net, variables):
    def run(key):
        return net.apply(variables, IMAGES, TIMES, train=True, rngs={"dropout": key})

    one, other = (jax.jit(run)(jax.random.key(i)).logits for i in (0, 1))
    assert jnp.abs(one - other).max() > 1e-3


def test_the_encoder_is_that_of_the_u_net():
    def parameters(module):
        init = jax.eval_shape(
            lambda: module.init(jax.random.key(0), IMAGES, TIMES, train=False)
        )
        return jax.tree.map(lambda a: a.shape, init["params"])

    sorts, denoises = (
        parameters(module)
        for module in (
            Classifier(num_outputs=5, **SIZES),
            UNet(out_channels=1, **SIZES),
        )
    )
    shared = {name for name in denoises if not name.startswith(("up_", "conv_out"))}
    assert {"time", "conv_in", "down_0_0", "down_0_resample", "middle_1"} <= shared
    assert set(sorts) - shared <= {"logits", "norm_out"}
    for name in shared - {"norm_out"}:
        assert sorts[name] == denoises[name], name


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: UNet(out_channels=1, **SIZES, **o),
        lambda **o: VDMUNet(
            out_channels=1, base_features=8, num_layers=1, num_groups=4, **o
        ),
    ],
    ids=["unet", "vdm_unet"],
)
def test_a_denoiser_is_told_classes_only_if_it_has_some(make):
    def names(module):
        shapes = jax.eval_shape(
            lambda: module.init(jax.random.key(0), IMAGES, TIMES, train=False)
        )
        paths = jax.tree_util.tree_leaves_with_path(shapes)
        return {
            jax.tree_util.keystr(p, simple=True, separator="/"): a for p, a in paths
        }

    plain, told = names(make()), names(make(num_classes=5, label_dropout=0.1))
    (extra,) = told.keys() - plain.keys()
    assert extra.endswith("class/table/embedding")
    assert told[extra].shape[0] == 6
    assert plain.keys() < told.keys()

    net = make(num_classes=5)
    variables = tools.random_variables(net, IMAGES, TIMES, scale=0.3, train=False)
    apply = jax.jit(
        lambda labels: net.apply(variables, IMAGES, TIMES, labels=labels, train=False)
    )
    one, other = apply(jnp.array([0, 1, 2])), apply(jnp.array([0, 4, 2]))
    np.testing.assert_array_equal(one[::2], other[::2])
    assert jnp.abs(one[1] - other[1]).max() > 1e-3
