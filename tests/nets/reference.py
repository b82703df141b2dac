"""The layers and the U-Net again, in numpy float64, with loops where these are clear.

Parameters are the network's own, by the names it gives them.
"""

import math

import numpy as np


def silu(x):
    return x / (1.0 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def dense(params, x):
    return np.asarray(x, np.float64) @ np.asarray(params["kernel"]) + np.asarray(
        params["bias"]
    )


def conv(params, x, stride=1):
    """3x3; the zeros around are one a side, or below and right only with stride 2."""
    kernel = np.asarray(params["kernel"], np.float64)
    before = 1 if stride == 1 else 0
    x = np.pad(np.asarray(x, np.float64), ((0, 0), (before, 1), (before, 1), (0, 0)))
    height, width = (x.shape[1] - 2) // stride, (x.shape[2] - 2) // stride
    if stride == 2:
        height, width = (x.shape[1] - 1) // 2, (x.shape[2] - 1) // 2
    out = np.zeros((len(x), height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * stride : i * stride + 3, j * stride : j * stride + 3]
            out[:, i, j] = np.einsum("bhwc,hwcf->bf", window, kernel)
    return out + np.asarray(params["bias"])


def group_norm(params, x, num_groups, epsilon=1e-6):
    x = np.asarray(x, np.float64)
    out = np.empty_like(x)
    size = x.shape[-1] // num_groups
    for example in range(len(x)):
        for group in range(num_groups):
            channels = slice(group * size, (group + 1) * size)
            values = x[example, :, :, channels]
            out[example, :, :, channels] = (values - values.mean()) / np.sqrt(
                values.var() + epsilon
            )
    return out * np.asarray(params["scale"]) + np.asarray(params["bias"])


def attention(params, x, num_groups, num_heads):
    batch, channels = len(x), x.shape[-1]
    h = group_norm(params["norm"], x, num_groups).reshape(batch, -1, channels)
    kernel, bias = (
        np.asarray(params["qkv"]["kernel"]),
        np.asarray(params["qkv"]["bias"]),
    )
    query, key, value = (h @ kernel[:, i] + bias[i] for i in range(3))
    out = np.empty_like(h)
    size = channels // num_heads
    for head in range(num_heads):
        part = slice(head * size, (head + 1) * size)
        logits = query[..., part] @ key[..., part].swapaxes(1, 2) / math.sqrt(size)
        out[..., part] = softmax(logits) @ value[..., part]
    return x + dense(params["projection"], out.reshape(x.shape))


def repeat_pixels(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def res_block(params, x, emb, num_groups):
    h = conv(params["conv_0"], silu(group_norm(params["norm_0"], x, num_groups)))
    h = h + dense(params["emb"], emb)[:, None, None, :]
    h = conv(params["conv_1"], silu(group_norm(params["norm_1"], h, num_groups)))
    return h + (dense(params["shortcut"], x) if "shortcut" in params else x)


def time_embedding(params, time, features):
    half = features // 2
    emb = np.empty((len(time), features))
    for i in range(half):
        angle = np.asarray(time, np.float64) * 10_000.0 ** (-i / (half - 1))
        emb[:, i], emb[:, half + i] = np.sin(angle), np.cos(angle)
    return silu(dense(params["dense_1"], silu(dense(params["dense_0"], emb))))


def stage(params, x, emb, num_groups):
    h = res_block(params["res"], x, emb, num_groups)
    if "attention" in params:
        h = attention(params["attention"], h, num_groups, num_heads=1)
    return h


def unet(params, x, time, *, base_features, num_levels, blocks_per_level, num_groups):
    """Ho et al.'s: additive embedding, one head, convolutions between the levels."""
    emb = time_embedding(params["time"], time, base_features)
    h = conv(params["conv_in"], x)
    skips = [h]
    for level in range(num_levels):
        for i in range(blocks_per_level):
            h = stage(params[f"down_{level}_{i}"], h, emb, num_groups)
            skips.append(h)
        if level < num_levels - 1:
            h = conv(params[f"down_{level}_resample"], h, stride=2)
            skips.append(h)
    for i in range(2):
        h = stage(params[f"middle_{i}"], h, emb, num_groups)
    for level in range(num_levels - 1, -1, -1):
        for i in range(blocks_per_level + 1):
            joined = np.concatenate([h, skips.pop()], axis=-1)
            h = stage(params[f"up_{level}_{i}"], joined, emb, num_groups)
        if level > 0:
            h = conv(params[f"up_{level}_resample"], repeat_pixels(h))
    return conv(params["conv_out"], silu(group_norm(params["norm_out"], h, num_groups)))
