"""The network whose features the Frechet inception distance compares.

Inception-v3 (Szegedy et al. 2015, arXiv:1512.00567) as in the TensorFlow graph of
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

from ddpm_jax.nets import resizing
from ddpm_jax.nets.layers import Images

SIZE = 299
NUM_CLASSES = 1008
EPSILON = 1e-3
# Figures are compared in their third digit, which TPUs and GPUs would round away.
PRECISION = jax.lax.Precision.HIGHEST

Pixels = UInt8[Array, "batch height width channels"]
Maps = Float[Array, "batch rows columns features"]
Params = dict[str, Any]


class Features(NamedTuple):
    """What the network makes of each image, on its way.

    Attributes:
      block_64: means over the image of the features after the first max pool.
      block_192: the same, after the second.
      block_768: the same, before the last reduction.
      pool: means over the image of the last features: what the FID compares.
      logits: of the 1008 classes.
      logits_without_bias: what the inception score is made of, by softmax over all 1008.
        Salimans et al.'s program left out the bias of the last layer, and those that
        reproduce its figures (torch-fidelity's "logits_unbiased") do as well.
    """

    block_64: Float[Array, "batch 64"]
    block_192: Float[Array, "batch 192"]
    block_768: Float[Array, "batch 768"]
    pool: Float[Array, "batch 2048"]
    logits: Float[Array, "batch 1008"]
    logits_without_bias: Float[Array, "batch 1008"]


class Conv(nn.Module):
    """Convolution, batch norm by stored statistics, ReLU.

    Attributes:
      features: channels out.
      size: of the kernel, height and width.
      stride: of both axes.
      padding: "SAME" or "VALID".
    """

    features: int
    size: tuple[int, int] = (1, 1)
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        zeros, ones, own = (
            nn.initializers.zeros,
            nn.initializers.ones,
            (self.features,),
        )
        shape = (*self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        scale, bias = self.param("scale", ones, own), self.param("bias", zeros, own)
        mean = self.param("mean", zeros, own)
        variance = self.param("variance", ones, own)

        y = jax.lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(self.stride, self.stride),
            padding=self.padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=PRECISION,
        )
        gain = scale * jax.lax.rsqrt(variance + EPSILON)
        offset = bias - mean * gain
        return nn.relu(y * gain[None, None, None, :] + offset[None, None, None, :])


def average_pool(x: Images) -> Images:
    """Means of 3x3 pixels, at borders of those that there are."""
    return nn.avg_pool(x, (3, 3), padding="SAME", count_include_pad=False)


def max_pool(x: Images) -> Images:
    """Maxima of 3x3 pixels."""
    return nn.max_pool(x, (3, 3), padding="SAME")


def max_pool_reduced(x: Images) -> Maps:
    """Maxima of 3x3 pixels, 2 apart, without padding."""
    return nn.max_pool(x, (3, 3), strides=(2, 2))


def joined(*branches: Float[Array, "batch rows columns _"]) -> Maps:
    """The channels of all."""
    return jnp.concatenate(branches, axis=-1)


class BlockA(nn.Module):
    """1x1, 5x5, two 3x3 and pooled (the paper's figure 5, with 5x5 kept).

    Attributes:
      pool_features: channels of the pooled branch.
    """

    pool_features: int

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        single = Conv(64, name="branch1x1")(x)
        wide = Conv(48, name="branch5x5_1")(x)
        wide = Conv(64, (5, 5), name="branch5x5_2")(wide)
        double = Conv(64, name="branch3x3dbl_1")(x)
        double = Conv(96, (3, 3), name="branch3x3dbl_2")(double)
        double = Conv(96, (3, 3), name="branch3x3dbl_3")(double)
        pooled = Conv(self.pool_features, name="branch_pool")(average_pool(x))
        return joined(single, wide, double, pooled)


class BlockB(nn.Module):
    """From 35x35 to 17x17 pixels: 3x3, two 3x3 and pooled."""

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        single = Conv(384, (3, 3), 2, "VALID", name="branch3x3")(x)
        double = Conv(64, name="branch3x3dbl_1")(x)
        double = Conv(96, (3, 3), name="branch3x3dbl_2")(double)
        double = Conv(96, (3, 3), 2, "VALID", name="branch3x3dbl_3")(double)
        return joined(single, double, max_pool_reduced(x))


class BlockC(nn.Module):
    """1x1, 7x7 and two 7x7, each as a row and a column, and pooled (figure 6).

    Attributes:
      inner_features: channels between the long convolutions.
    """

    inner_features: int

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        inner, row, column = self.inner_features, (1, 7), (7, 1)
        once = Conv(inner, name="branch7x7_1")(x)
        once = Conv(inner, row, name="branch7x7_2")(once)
        once = Conv(192, column, name="branch7x7_3")(once)
        twice = Conv(inner, name="branch7x7dbl_1")(x)
        twice = Conv(inner, column, name="branch7x7dbl_2")(twice)
        twice = Conv(inner, row, name="branch7x7dbl_3")(twice)
        twice = Conv(inner, column, name="branch7x7dbl_4")(twice)
        twice = Conv(192, row, name="branch7x7dbl_5")(twice)
        single = Conv(192, name="branch1x1")(x)
        pooled = Conv(192, name="branch_pool")(average_pool(x))
        return joined(single, once, twice, pooled)


class BlockD(nn.Module):
    """From 17x17 to 8x8 pixels: 3x3, 7x7 followed by 3x3, and pooled."""

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        short = Conv(192, name="branch3x3_1")(x)
        short = Conv(320, (3, 3), 2, "VALID", name="branch3x3_2")(short)
        long = Conv(192, name="branch7x7x3_1")(x)
        long = Conv(192, (1, 7), name="branch7x7x3_2")(long)
        long = Conv(192, (7, 1), name="branch7x7x3_3")(long)
        long = Conv(192, (3, 3), 2, "VALID", name="branch7x7x3_4")(long)
        return joined(short, long, max_pool_reduced(x))


class BlockE(nn.Module):
    """1x1, 3x3 and two 3x3 that end in a row beside a column, and pooled (figure 7).

    Attributes:
      pool: 3x3, average in the last but one block, maximum in the last.
    """

    pool: Callable[[Images], Images]

    @nn.compact
    def __call__(self, x: Images) -> Maps:
        row, column = (1, 3), (3, 1)
        single = Conv(320, name="branch1x1")(x)
        once = Conv(384, name="branch3x3_1")(x)
        twice = Conv(448, name="branch3x3dbl_1")(x)
        twice = Conv(384, (3, 3), name="branch3x3dbl_2")(twice)
        pooled = Conv(192, name="branch_pool")(self.pool(x))
        return joined(
            single,
            Conv(384, row, name="branch3x3_2a")(once),
            Conv(384, column, name="branch3x3_2b")(once),
            Conv(384, row, name="branch3x3dbl_3a")(twice),
            Conv(384, column, name="branch3x3dbl_3b")(twice),
            pooled,
        )


class Logits(nn.Module):
    """A matrix product over the features: with its bias, and before it is added."""

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
    """Images of 8 bits to features, in float32; nothing in it is trained.

    Attributes:
      preparation: how pixels become the network's input, a name in `PREPARATIONS`.
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


# From 0..255 to the network's input. The graph's own resizing and scaling, to [-1, 0.992],
# gave the published figures; pytorch-fid's, to [-1, 1], those that are quoted from it.
PREPARATIONS: dict[str, Callable[[Images], Maps]] = {
    "tensorflow": _prepared_by_tensorflow,
    "pytorch_fid": _prepared_by_pytorch_fid,
}


def prepare(pixels: Pixels, preparation: str) -> Float[Array, "batch 299 299 3"]:
    """The network's input.

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


# Our names and the file's, of what a convolution and the last layer hold.
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
    """Parameters from the arrays of pytorch-fid's file.

    Args:
      arrays: by the file's names. Of those that the network does not use, counts of
        batches (num_batches_tracked) and the auxiliary classifier (AuxLogits) may be there.
      source: what messages call the file.

    Returns:
      The tree that goes into `InceptionV3().apply({"params": ...}, pixels)`, float32.

    Raises:
      ValueError: an array is missing, unexpected, of another shape or not of finite
        numbers. It names the first.
    """
    shapes = _expected()
    names = {path: _file_name(path) for path in shapes}
    missing = [name for name in names.values() if name not in arrays]
    if missing:
        raise ValueError(f"{source} holds no {missing[0]}{_and_more(missing)}.")
    known = set(names.values())
    unknown = [name for name in arrays if name not in known and not _is_spare(name)]
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
def _expected() -> dict[tuple[str, ...], tuple[int, ...]]:
    """Shape of each parameter, by its path in the tree."""
    pixels = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.uint8)
    variables = jax.eval_shape(InceptionV3().init, jax.random.key(0), pixels)
    flat = traverse_util.flatten_dict(variables["params"])
    return {path: leaf.shape for path, leaf in flat.items()}


def _file_name(path: tuple[str, ...]) -> str:
    *modules, last = path
    leaves = LOGITS_NAMES if modules == ["fc"] else CONV_NAMES
    return ".".join([*modules, leaves[last]])


def _is_spare(name: str) -> bool:
    return name.endswith(".num_batches_tracked") or name.startswith("AuxLogits.")


def _and_more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _param(value: np.ndarray, shape: tuple[int, ...], where: str) -> np.ndarray:
    """The array with the axes of a kernel in our order: output channels last."""
    # [out, in, height, width] and [out, in] are the file's.
    order = {4: (3, 2, 0, 1), 2: (1, 0)}.get(len(shape), (0,))
    theirs = tuple(shape[axis] for axis in order)
    if value.shape != theirs:
        raise ValueError(
            f"{where} is of shape {value.shape} where {theirs} is expected."
        )
    if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
        raise ValueError(f"{where} is not of finite real numbers.")
    return np.ascontiguousarray(value.transpose(np.argsort(order)), np.float32)
