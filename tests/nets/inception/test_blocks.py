"""What Inception-v3 is made of, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ddpm_jax.nets.inception import blocks, network
from tests.nets import tools
from tests.nets.tools import normal


@pytest.mark.parametrize(
    "size, stride, padding, pad",
    [
        ((3, 3), 2, "VALID", (0, 0)),
        ((1, 7), 1, "SAME", (0, 3)),
        ((3, 1), 1, "SAME", (1, 0)),
    ],
)
def test_conv_is_convolution_then_batch_norm_then_relu(size, stride, padding, pad):
    conv = blocks.Conv(4, size, stride, padding)
    x = normal(0, 2, 7, 8, 3)
    params = {name: normal(i, 4) for i, name in enumerate(("scale", "bias", "mean"))}
    params |= {"kernel": normal(5, *size, 3, 4), "variance": jnp.array([0.0, 1, 2, 3])}
    got = tools.apply(conv, {"params": params}, x)

    kernel, scale, bias, mean, variance = (
        np.asarray(params[name], np.float64)
        for name in ("kernel", "scale", "bias", "mean", "variance")
    )
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), *((n, n) for n in pad), (0, 0)))
    want = np.zeros(got.shape)
    for i in range(want.shape[1]):
        for j in range(want.shape[2]):
            top, left = i * stride, j * stride
            window = padded[:, top : top + size[0], left : left + size[1]]
            want[:, i, j] = np.einsum("bhwc,hwcf->bf", window, kernel)
    want = (want - mean) / np.sqrt(variance + 0.001) * scale + bias
    np.testing.assert_allclose(got, np.maximum(want, 0.0), rtol=1e-4, atol=1e-3)


def windows(x):
    """The 3x3 pixels, or fewer, around each."""
    _, height, width, _ = x.shape
    for i in range(height):
        for j in range(width):
            rows, columns = slice(max(i - 1, 0), i + 2), slice(max(j - 1, 0), j + 2)
            yield i, j, np.asarray(x, np.float64)[:, rows, columns]


@pytest.mark.parametrize(
    "pool, of",
    [(blocks.average_pool, np.mean), (blocks.max_pool, np.max)],
)
def test_pools_see_no_padding(pool, of):
    x = normal(0, 2, 4, 5, 3) - 5.0
    want = np.zeros(x.shape)
    for i, j, window in windows(x):
        want[:, i, j] = of(window, axis=(1, 2))
    np.testing.assert_allclose(pool(x), want, rtol=1e-5)


@pytest.mark.parametrize(
    "layer, shape",
    [(blocks.Conv(4), (1, 5, 5, 3)), (network.Logits(), (1, 7))],
)
def test_full_float32_is_asked_for(layer, shape):
    """Some devices round what goes into products to fewer bits by default."""
    x = jnp.zeros(shape)
    variables = tools.init(layer, x)
    equations = jax.make_jaxpr(layer.apply)(variables, x).eqns
    (precision,) = [e.params["precision"] for e in equations if "precision" in e.params]
    assert precision == (jax.lax.Precision.HIGHEST,) * 2
