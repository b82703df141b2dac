"""Inception-v3, the network whose features the Frechet inception distance compares.

It is that of Szegedy et al. 2015 (arXiv:1512.00567) as in the TensorFlow graph of
2015-12-05, which Salimans et al. 2016 (arXiv:1606.03498) and Heusel et al. 2017
(arXiv:1706.08500) measure with. It differs from the usual Inception-v3: 1008 classes;
average pools leave the padding out of the mean; the last block pools by maximum.

Modules have the names of pytorch-fid's port of the weights, the file
pt_inception-2015-12-05-6726825d.pth, from whose arrays `from_state_dict` makes parameters.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import Array, Float, UInt8

from ddpm_jax.nets.inception import resizing
from ddpm_jax.nets.inception.blocks import (
    PRECISION,
    BlockA,
    BlockB,
    BlockC,
    BlockD,
    BlockE,
    Conv,
    Maps,
    average_pool,
    max_pool,
    max_pool_reduced,
)
from ddpm_jax.nets.layers import Images

SIZE = 299
NUM_CLASSES = 1008

Pixels = UInt8[Array, "batch height width channels"]
Params = dict[str, Any]


class Features(NamedTuple):
    """The network's features of a batch of images, at several depths.

    Attributes:
      block_64: mean over pixels of the features after the first max pool.
      block_192: mean over pixels of those after the second.
      block_768: mean over pixels of those before the last reduction.
      pool: mean over pixels of the last features: what the FID compares.
      logits: logits of the 1008 classes.
      logits_without_bias: logits whose softmax over all 1008 makes the inception score.
        Salimans et al.'s program left out the bias of the last layer, and those that
        reproduce its figures (torch-fidelity's "logits_unbiased") do as well.
    """

    block_64: Float[Array, "batch 64"]
    block_192: Float[Array, "batch 192"]
    block_768: Float[Array, "batch 768"]
    pool: Float[Array, "batch 2048"]
    logits: Float[Array, "batch 1008"]
    logits_without_bias: Float[Array, "batch 1008"]


class Logits(nn.Module):
    """The last layer: logits with their bias, and without."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch features"]
    ) -> tuple[Float[Array, "batch 1008"], Float[Array, "batch 1008"]]:
        shape = (x.shape[-1], NUM_CLASSES)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (NUM_CLASSES,))
        product = jnp.dot(x, kernel, precision=PRECISION)
        return product + bias[None, :], product


class InceptionV3(nn.Module):
    """Inception-v3: from images of 8 bits to features, in float32; it is not trained here.

    Attributes:
      preparation: how pixels become the network's input. "tensorflow" is what the graph
        does itself: what the FID was defined with and what ADM's evaluator and
        torch-fidelity measure. "pytorch_fid" is for comparison with figures of that program.
        The two resize differently, so figures of one are not to be set beside the other's.
    """

    preparation: str = "tensorflow"

    @nn.compact
    def __call__(self, pixels: Pixels) -> Features:
        """pixels: 0..255, of any height and width, grey (1 channel) or colour (3)."""
        x = prepare(pixels, self.preparation)
        x = Conv(32, (3, 3), 2, "VALID", name="Conv2d_1a_3x3")(x)
        x = Conv(32, (3, 3), 1, "VALID", name="Conv2d_2a_3x3")(x)
        x = Conv(64, (3, 3), name="Conv2d_2b_3x3")(x)
        x = first = max_pool_reduced(x)
        x = Conv(80, name="Conv2d_3b_1x1")(x)
        x = Conv(192, (3, 3), 1, "VALID", name="Conv2d_4a_3x3")(x)
        x = second = max_pool_reduced(x)
        x = BlockA(32, name="Mixed_5b")(x)
        x = BlockA(64, name="Mixed_5c")(x)
        x = BlockA(64, name="Mixed_5d")(x)
        x = BlockB(name="Mixed_6a")(x)
        x = BlockC(128, name="Mixed_6b")(x)
        x = BlockC(160, name="Mixed_6c")(x)
        x = BlockC(160, name="Mixed_6d")(x)
        x = third = BlockC(192, name="Mixed_6e")(x)
        x = BlockD(name="Mixed_7a")(x)
        x = BlockE(average_pool, name="Mixed_7b")(x)
        x = BlockE(max_pool, name="Mixed_7c")(x)
        pool = _mean_over_image(x)
        logits, product = Logits(name="fc")(pool)
        return Features(
            _mean_over_image(first),
            _mean_over_image(second),
            _mean_over_image(third),
            pool,
            logits,
            product,
        )


def _mean_over_image(x: Images) -> Float[Array, "batch channels"]:
    return jnp.mean(x, axis=(1, 2))


def _prepared_by_tensorflow(x: Images) -> Maps:
    return (resizing.tensorflow_1(x, SIZE, SIZE) - 128.0) / 128.0


def _prepared_by_pytorch_fid(x: Images) -> Maps:
    return 2.0 * resizing.half_pixel(x / 255.0, SIZE, SIZE) - 1.0


# Each maps 0..255 to 299x299 pixels, in [-1, 0.992] and in [-1, 1].
PREPARATIONS: dict[str, Callable[[Images], Maps]] = {
    "tensorflow": _prepared_by_tensorflow,
    "pytorch_fid": _prepared_by_pytorch_fid,
}


def prepare(pixels: Pixels, preparation: str) -> Float[Array, "batch 299 299 3"]:
    """The network's input, made of an image's pixels.

    Raises:
      ValueError: no preparation has that name, or pixels have neither 1 nor 3 channels.
    """
    if preparation not in PREPARATIONS:
        raise ValueError(
            f"preparation = {preparation!r}: write one of {sorted(PREPARATIONS)}."
        )
    channels = pixels.shape[-1]
    if channels not in (1, 3):
        raise ValueError(
            f"images of {channels} channels have no inception features: 1 or 3 would."
        )
    x = PREPARATIONS[preparation](pixels.astype(jnp.float32))
    return jnp.broadcast_to(x, (*x.shape[:3], 3))


# Names of a convolution's and the last layer's parameters here: names in the file.
CONV_NAMES = {
    "kernel": "conv.weight",
    "scale": "bn.weight",
    "bias": "bn.bias",
    "mean": "bn.running_mean",
    "variance": "bn.running_var",
}
LOGITS_NAMES = {"kernel": "weight", "bias": "bias"}


def from_state_dict(
    arrays: Mapping[str, np.ndarray], source: str = "the state dict"
) -> Params:
    """The network's parameters, from the arrays of pytorch-fid's file.

    Args:
      arrays: arrays by the file's names. Besides those that the network uses, counts of
        batches (num_batches_tracked) and the auxiliary classifier (AuxLogits) may be there.
      source: the file's name in messages.

    Returns:
      The tree that goes into `InceptionV3().apply({"params": ...}, pixels)`, float32, on
      the default device.

    Raises:
      ValueError: an array is missing, unexpected, of another shape or not of finite
        numbers. It names the first.
    """
    shapes = _expected_shapes()
    names = {path: _file_name(path) for path in shapes}
    missing = [name for name in names.values() if name not in arrays]
    if missing:
        raise ValueError(f"{source} holds no {missing[0]}{_and_more(missing)}.")
    known = set(names.values())
    unknown = [name for name in arrays if name not in known and not _is_ignored(name)]
    if unknown:
        raise ValueError(
            f"{source} holds {unknown[0]}{_and_more(unknown)}, which is not of this"
            " network."
        )
    params = {
        path: _param(np.asarray(arrays[name]), shapes[path], f"{source}: {name}")
        for path, name in names.items()
    }
    return traverse_util.unflatten_dict(params)


@functools.cache
def _expected_shapes() -> dict[tuple[str, ...], tuple[int, ...]]:
    """The shape of each parameter, by its path in the tree."""
    pixels = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.uint8)
    variables = jax.eval_shape(InceptionV3().init, jax.random.key(0), pixels)
    flat = traverse_util.flatten_dict(variables["params"])
    return {path: leaf.shape for path, leaf in flat.items()}


def _file_name(path: tuple[str, ...]) -> str:
    *modules, last = path
    leaves = LOGITS_NAMES if modules == ["fc"] else CONV_NAMES
    return ".".join([*modules, leaves[last]])


def _is_ignored(name: str) -> bool:
    return name.endswith(".num_batches_tracked") or name.startswith("AuxLogits.")


def _and_more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _param(value: np.ndarray, shape: tuple[int, ...], where: str) -> Array:
    """A parameter from the file's array, with a kernel's output channels moved last."""
    # The file's kernels are [out, in, height, width] and [out, in].
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), (0,))
    file_shape = tuple(shape[axis] for axis in order)
    if value.shape != file_shape:
        raise ValueError(
            f"{where} is of shape {value.shape} where {file_shape} is expected."
        )
    if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
        raise ValueError(f"{where} is not of finite real numbers.")
    return jnp.asarray(value.transpose(np.argsort(order)), jnp.float32)
