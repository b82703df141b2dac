"""Inception against pytorch-fid on weights made by formula, and its parts against numpy.

The golden file is written by `python -m benchmarks.peer_inception --golden <file>`.
"""

import ast
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import inception_arrays
from ddpm_jax.nets.inception import network
from tests.nets import tools

prepare = jax.jit(network.prepare, static_argnums=1)
GOLDEN = pathlib.Path(__file__).parent / "golden.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


@pytest.fixture(scope="module")
def shapes(golden):
    """Of every array in the file of pytorch-fid's network, by name."""
    pairs = zip(golden["names"], golden["shapes"], strict=True)
    return {str(name): ast.literal_eval(str(shape)) for name, shape in pairs}


@pytest.fixture
def arrays(shapes):
    """Arrays of these names and shapes that take no memory."""
    return {
        name: np.broadcast_to(np.float32(0.5), shape) for name, shape in shapes.items()
    }


def test_features_are_those_of_pytorch_fid(golden, shapes):
    params = network.from_state_dict(inception_arrays.weights(shapes))
    net = network.InceptionV3("pytorch_fid")
    pixels = jnp.asarray(inception_arrays.images(1, 32, 32))
    features = tools.apply(net, {"params": params}, pixels)
    for name, got in features._asdict().items():
        want = golden[name]
        assert got.shape == (1, *want.shape) and got.dtype == jnp.float32
        size = np.sqrt(np.mean(np.square(want)))
        np.testing.assert_allclose(got[0], want, atol=1e-4 * size, err_msg=name)


@pytest.mark.parametrize("name, white", [("tensorflow", 127 / 128), ("pytorch_fid", 1)])
def test_pixels_are_scaled_as_each_program_does(name, white):
    for value, want in [(0, -1.0), (255, white)]:
        pixels = jnp.full((1, 2, 3, 3), value, jnp.uint8)
        got = prepare(pixels, name)
        np.testing.assert_allclose(got, np.full((1, 299, 299, 3), want), atol=1e-6)


@pytest.mark.parametrize("name, offset", [("tensorflow", 0.0), ("pytorch_fid", 0.5)])
def test_preparations_differ_by_half_a_pixel(name, offset):
    """A ramp of 13 columns: column j of the result lies at (j + offset) / 23 - offset."""
    ramp = np.broadcast_to(np.arange(13, dtype=np.uint8)[:, None], (1, 2, 13, 3))
    got = prepare(jnp.asarray(ramp), name)[0, 7, :, 2]
    places = np.clip((np.arange(299) + offset) / 23 - offset, 0, 12)
    scale = 128 if name == "tensorflow" else 127.5
    np.testing.assert_allclose(got, places / scale - 1, atol=1e-6)


def test_grey_is_three_equal_channels():
    grey = jnp.asarray(inception_arrays.images(2, 5, 6)[..., :1])
    colour = jnp.repeat(grey, 3, axis=-1)
    got = prepare(grey, "tensorflow")
    np.testing.assert_allclose(got, prepare(colour, "tensorflow"), atol=1e-6)


def test_what_cannot_be_prepared_is_named():
    with pytest.raises(ValueError, match=r"'clean': write one of \['pytorch_fid', 'te"):
        network.prepare(jnp.zeros((1, 2, 2, 3), jnp.uint8), "clean")
    with pytest.raises(ValueError, match=r"4 channels .*: 1 or 3 would"):
        network.prepare(jnp.zeros((1, 2, 2, 4), jnp.uint8), "tensorflow")


def test_spare_arrays_may_be_there_or_not(arrays):
    del arrays["Mixed_7c.branch_pool.bn.num_batches_tracked"]
    arrays["AuxLogits.fc.weight"] = np.zeros((1008, 768), np.float32)
    params = network.from_state_dict(arrays)
    leaves = jax.tree.leaves(params)
    assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float32)}
    # 94 convolutions of 5 arrays, and the last layer's two.
    assert len(leaves) == 94 * 5 + 2


def test_a_missing_array_is_named(arrays):
    del arrays["Mixed_5b.branch1x1.conv.weight"], arrays["fc.bias"]
    message = r"^weights.pth holds no Mixed_5b.branch1x1.conv.weight \(and 1 more\)\.$"
    with pytest.raises(ValueError, match=message):
        network.from_state_dict(arrays, "weights.pth")


def test_an_unexpected_array_is_named(arrays):
    arrays["Mixed_5b.branch1x1.conv.bias"] = np.zeros(64, np.float32)
    message = "^w holds Mixed_5b.branch1x1.conv.bias, which is not of this network"
    with pytest.raises(ValueError, match=message):
        network.from_state_dict(arrays, "w")


def test_another_shape_is_named_in_the_files_order(arrays):
    """The file of the usual Inception-v3 has 1000 classes."""
    arrays["fc.weight"] = np.zeros((1000, 2048), np.float32)
    message = (
        r"^w: fc.weight is of shape \(1000, 2048\) where \(1008, 2048\) is expected"
    )
    with pytest.raises(ValueError, match=message):
        network.from_state_dict(arrays, "w")
    name = "Mixed_6b.branch7x7_2.conv.weight"
    arrays[name] = np.zeros((128, 128, 7, 1), np.float32)
    message = rf"^w: {name} is of shape .* where \(128, 128, 1, 7\) is expected"
    with pytest.raises(ValueError, match=message):
        network.from_state_dict(arrays, "w")


@pytest.mark.parametrize(
    "value", [np.full(64, np.nan, np.float32), np.zeros(64, np.int64)]
)
def test_what_are_no_weights_is_named(arrays, value):
    arrays["Mixed_5b.branch1x1.bn.bias"] = value
    message = "^w: Mixed_5b.branch1x1.bn.bias is not of finite real numbers"
    with pytest.raises(ValueError, match=message):
        network.from_state_dict(arrays, "w")
