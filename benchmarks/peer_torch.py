"""The peer: the same U-Net, loss and optimiser in PyTorch with diffusers.

Its architecture is that of the published checkpoint google/ddpm-cifar10-32.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import diffusers
import numpy as np
import torch

from benchmarks import bare_step

ATTENDING, PLAIN = "AttnDownBlock2D", "DownBlock2D"
NUM_LEVELS, BLOCKS_PER_LEVEL = 4, 2


def make_model() -> diffusers.UNet2DModel:
    down = (PLAIN, ATTENDING, PLAIN, PLAIN)
    return diffusers.UNet2DModel(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        block_out_channels=(128, 256, 256, 256),
        layers_per_block=BLOCKS_PER_LEVEL,
        down_block_types=down,
        up_block_types=tuple(name.replace("Down", "Up") for name in reversed(down)),
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        norm_num_groups=32,
        dropout=bare_step.DROPOUT,
        # One head; by default there would be one for every 8 channels.
        attention_head_dim=None,
    )


class Runner:
    """Steps of the model on one batch, to be called again and again.

    With `reduced`, what a PyTorch user on a GPU turns on: channels last, bfloat16
    autocast, torch.compile and the fused Adam.
    """

    def __init__(self, batch_size: int, device: str = "cpu", reduced: bool = False):
        torch.manual_seed(0)
        model = make_model().to(device).train()
        betas = torch.linspace(1e-4, 0.02, bare_step.NUM_LATENTS, dtype=torch.float64)
        self._alpha_bar = torch.cumprod(1.0 - betas, 0).float().to(device)
        shape = (batch_size, 3, *bare_step.IMAGE_SHAPE[:2])
        self._images = torch.rand(shape, device=device) * 2.0 - 1.0
        if reduced:
            model = model.to(memory_format=torch.channels_last)
            self._images = self._images.to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(
            model.parameters(), lr=bare_step.LEARNING_RATE, fused=reduced or None
        )
        self._parameters = list(model.parameters())
        self._model = torch.compile(model) if reduced else model
        self._device, self._reduced = device, reduced

    def __call__(self, num_steps: int = 1) -> float:
        """The loss after so many steps, which it waits for."""
        for _ in range(num_steps):
            loss = self._step()
        return loss.item()

    def _step(self) -> torch.Tensor:
        x = self._images
        index = torch.randint(0, bare_step.NUM_LATENTS, (len(x),), device=self._device)
        eps = torch.randn_like(x)
        alpha_bar = self._alpha_bar[index][:, None, None, None]
        z_t = alpha_bar.sqrt() * x + (1.0 - alpha_bar).sqrt() * eps
        with torch.autocast(self._device, torch.bfloat16, enabled=self._reduced):
            eps_hat = self._model(z_t, index).sample
        loss = torch.nn.functional.mse_loss(eps_hat.float(), eps)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, bare_step.CLIP_NORM)
        self._optimizer.step()
        return loss.detach()


def outputs(params: Mapping[str, Any], x: np.ndarray, time: np.ndarray) -> np.ndarray:
    """What the peer makes of our parameters, images [batch, 32, 32, 3] and times."""
    model = make_model().eval()
    model.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in translated(params)}
    )
    with torch.no_grad():
        images = torch.from_numpy(np.array(x)).permute(0, 3, 1, 2)
        y = model(images, torch.from_numpy(np.array(time))).sample
    return y.permute(0, 2, 3, 1).numpy()


def translated(params: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Our parameters under the peer's names and in its layouts.

    Raises:
      KeyError: if the two architectures have different layers.
    """
    ours = copy.deepcopy(dict(params))
    for name, theirs in _layers():
        *path, last = name.split("/")
        layer = ours
        for key in path:
            layer = layer[key]
        yield from _layer(layer.pop(last), theirs)
    left = [name for name, value in ours.items() if value and any(value.values())]
    if left:
        raise KeyError(f"layers without a counterpart: {left}")


def _layers() -> Iterator[tuple[str, str]]:
    """(our path, their prefix) of every layer."""
    yield "conv_in", "conv_in"
    yield "time/dense_0", "time_embedding.linear_1"
    yield "time/dense_1", "time_embedding.linear_2"
    last = NUM_LEVELS - 1
    for level in range(NUM_LEVELS):
        down, up = f"down_blocks.{level}", f"up_blocks.{last - level}"
        for i in range(BLOCKS_PER_LEVEL):
            yield f"down_{level}_{i}/res", f"{down}.resnets.{i}"
        for i in range(BLOCKS_PER_LEVEL + 1):
            yield f"up_{level}_{i}/res", f"{up}.resnets.{i}"
        if level == 1:
            for i in range(BLOCKS_PER_LEVEL):
                yield f"down_1_{i}/attention", f"{down}.attentions.{i}"
            for i in range(BLOCKS_PER_LEVEL + 1):
                yield f"up_1_{i}/attention", f"{up}.attentions.{i}"
        if level < last:
            yield f"down_{level}_resample", f"{down}.downsamplers.0.conv"
        if level > 0:
            yield f"up_{level}_resample", f"{up}.upsamplers.0.conv"
    yield "middle_0/res", "mid_block.resnets.0"
    yield "middle_0/attention", "mid_block.attentions.0"
    yield "middle_1/res", "mid_block.resnets.1"
    yield "norm_out", "conv_norm_out"
    yield "conv_out", "conv_out"


PARTS = {
    "norm_0": "norm1",
    "conv_0": "conv1",
    "emb": "time_emb_proj",
    "norm_1": "norm2",
    "conv_1": "conv2",
    "shortcut": "conv_shortcut",
    "norm": "group_norm",
    "projection": "to_out.0",
}


def _layer(ours: Mapping[str, Any], theirs: str) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in ours.items():
        if name == "qkv":
            for i, part in enumerate(("to_q", "to_k", "to_v")):
                yield f"{theirs}.{part}.weight", np.transpose(value["kernel"][:, i])
                yield f"{theirs}.{part}.bias", value["bias"][i]
        elif name in PARTS:
            yield from _layer(value, f"{theirs}.{PARTS[name]}")
        elif name == "kernel" and value.ndim == 4:
            yield f"{theirs}.weight", np.transpose(value, (3, 2, 0, 1))
        elif name == "kernel":
            weight = np.transpose(value)
            is_conv = theirs.endswith("conv_shortcut")
            yield f"{theirs}.weight", weight[:, :, None, None] if is_conv else weight
        else:
            yield f"{theirs}.{ {'scale': 'weight', 'bias': 'bias'}[name] }", value
