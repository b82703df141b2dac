"""The peer's samplers: diffusers' DDIM and DPM-Solver++ 2M, driven by a known model.

Of each also what becomes of it when one detail is changed, since details, not the methods,
are what its error is made of.
"""

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import torch

BETAS = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
}
# (z, index of the latent) -> eps_hat, numpy float64.
Eps = Callable[[np.ndarray, int], np.ndarray]
LINSPACE = {"timestep_spacing": "linspace"}


class OnItsOwnTimes(diffusers.DDIMScheduler):
    """DDIM whose steps end where the next one starts, as spaced by "linspace" they do not."""

    def step(self, model_output: Any, timestep: Any, sample: Any, **kwargs: Any) -> Any:
        place = int((self.timesteps == timestep).nonzero())
        following = [*self.timesteps.tolist(), -1][place + 1]
        at, before = (
            self.alphas_cumprod[k] if k >= 0 else self.final_alpha_cumprod
            for k in (int(timestep), following)
        )
        x_hat = (sample - (1.0 - at).sqrt() * model_output) / at.sqrt()
        z = before.sqrt() * x_hat + (1.0 - before).sqrt() * model_output
        return type("Output", (), {"prev_sample": z})


def two_m(**options: Any) -> Any:
    return diffusers.DPMSolverMultistepScheduler(
        **BETAS, algorithm_type="dpmsolver++", solver_order=2, **LINSPACE, **options
    )


def ddim(**options: Any) -> Any:
    return diffusers.DDIMScheduler(**BETAS, **(LINSPACE | options))


# What each ends with: the data, or the latent of t = 0.
SCHEDULERS: dict[str, tuple[Callable[[], Any], str]] = {
    "ddim": (ddim, "data"),
    "ddim, clip_sample=False": (lambda: ddim(clip_sample=False), "data"),
    "ddim, clip_sample=False, steps that end at its next time": (
        lambda: OnItsOwnTimes(**BETAS, **LINSPACE, clip_sample=False),
        "data",
    ),
    "ddim, clip_sample=False, timestep_spacing='leading'": (
        lambda: ddim(clip_sample=False, timestep_spacing="leading"),
        "data",
    ),
    "ddim, clip_sample=False, timestep_spacing='trailing'": (
        lambda: ddim(clip_sample=False, timestep_spacing="trailing"),
        "data",
    ),
    "2m": (two_m, "data"),
    "2m, final_sigmas_type='sigma_min'": (
        lambda: two_m(final_sigmas_type="sigma_min"),
        "latent",
    ),
    "2m, final_sigmas_type='sigma_min', euler_at_final=True": (
        lambda: two_m(final_sigmas_type="sigma_min", euler_at_final=True),
        "latent",
    ),
    "2m, final_sigmas_type='sigma_min', use_lu_lambdas=True": (
        lambda: two_m(final_sigmas_type="sigma_min", use_lu_lambdas=True),
        "latent",
    ),
    "2m, final_sigmas_type='sigma_min', use_karras_sigmas=True": (
        lambda: two_m(final_sigmas_type="sigma_min", use_karras_sigmas=True),
        "latent",
    ),
}


def times(name: str, num_steps: int) -> list[int]:
    """At which latents it asks the model."""
    make, _ = SCHEDULERS[name]
    scheduler = make()
    scheduler.set_timesteps(num_steps)
    return [int(t) for t in scheduler.timesteps]


def end(name: str, eps: Eps, z_1: np.ndarray, num_steps: int) -> np.ndarray:
    """Where it arrives from z_1, in so many questions."""
    make, _ = SCHEDULERS[name]
    scheduler = make()
    scheduler.set_timesteps(num_steps)
    z = torch.from_numpy(z_1)
    for t in scheduler.timesteps:
        answer = torch.from_numpy(eps(z.double().numpy(), int(t)))
        z = scheduler.step(answer, t, z).prev_sample
    return z.double().numpy()
