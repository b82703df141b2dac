"""The peer that draws: diffusers' DDIMPipeline around the network of peer_torch.py.

With times spaced as "leading" its step from t ends at the next of the list, and its last one
at the data itself, which is x_hat at t = 0: ours, on the same times. Spaced as "linspace" its
times would be ours by default, but its steps would end beside the next of them.
"""

from collections.abc import Mapping
from typing import Any

import diffusers
import numpy as np
import torch

from benchmarks import bare_step, peer_torch


class Runner:
    """Batches of images by DDIM, to be drawn again and again.

    With `reduced`, what a PyTorch user on a GPU turns on: channels last, bfloat16
    autocast and torch.compile.
    """

    def __init__(
        self,
        params: Mapping[str, Any],
        batch_size: int,
        num_steps: int,
        device: str = "cpu",
        reduced: bool = False,
    ):
        model = peer_torch.make_model().eval()
        model.load_state_dict(
            {
                name: torch.from_numpy(np.array(value))
                for name, value in peer_torch.translated(params)
            }
        )
        model = model.to(device)
        if reduced:
            model = torch.compile(model.to(memory_format=torch.channels_last))
        scheduler = diffusers.DDIMScheduler(
            num_train_timesteps=bare_step.NUM_LATENTS,
            beta_start=1e-4,
            beta_end=0.02,
            timestep_spacing="leading",
        )
        self._pipeline = diffusers.DDIMPipeline(model, scheduler)
        self._pipeline.set_progress_bar_config(disable=True)
        self._batch_size, self._num_steps = batch_size, num_steps
        self._device, self._reduced = device, reduced

    def __call__(self, seed: int = 0) -> np.ndarray:
        """Images [batch, height, width, channels] in [-1, 1], which it waits for."""
        with torch.autocast(self._device, torch.bfloat16, enabled=self._reduced):
            drawn = self._pipeline(
                batch_size=self._batch_size,
                generator=torch.Generator(self._device).manual_seed(seed),
                num_inference_steps=self._num_steps,
                use_clipped_model_output=True,
                output_type="np",
            )
        return 2.0 * drawn.images - 1.0

    def first_latent(self, seed: int = 0) -> np.ndarray:
        """The noise that a call with this seed starts from."""
        generator = torch.Generator(self._device).manual_seed(seed)
        shape = (self._batch_size, 3, *bare_step.IMAGE_SHAPE[:2])
        z = torch.randn(shape, generator=generator, device=self._device)
        return z.permute(0, 2, 3, 1).cpu().numpy()
