"""Denoising diffusion models in JAX: train, evaluate in bits per dim, sample.

    import ddpm_jax as dj

    run = dj.load("runs/digits")
    images = run.sample(16, sampler="unipc", num_steps=20)
    print(run.bits_per_dim())

The names that are meant for use from a notebook are those of `PUBLIC`. Importing the package
costs nothing: each is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddpm_jax import config as config
    from ddpm_jax import nets as nets
    from ddpm_jax.api.run import Run as Run
    from ddpm_jax.api.run import load as load
    from ddpm_jax.config import plugins as plugins
    from ddpm_jax.config.files import read_config as read_config
    from ddpm_jax.core.errors import ConfigError as ConfigError
    from ddpm_jax.diffusion import samplers as samplers
    from ddpm_jax.diffusion.conditioning import guidance as guidance
    from ddpm_jax.diffusion.likelihood import elbo as elbo
    from ddpm_jax.diffusion.model import Diffusion as Diffusion
    from ddpm_jax.diffusion.model import Prediction as Prediction
    from ddpm_jax.diffusion.objectives import weightings as weightings
    from ddpm_jax.diffusion.process import predictions as predictions
    from ddpm_jax.diffusion.process import schedules as schedules
    from ddpm_jax.train import train as train

# The module of each name, or the module and the name within it.
PUBLIC = {
    "load": "ddpm_jax.api.run:load",
    "train": "ddpm_jax.train",
    "read_config": "ddpm_jax.config.files:read_config",
    "config": "ddpm_jax.config",
    "plugins": "ddpm_jax.config.plugins",
    "Run": "ddpm_jax.api.run:Run",
    "ConfigError": "ddpm_jax.core.errors:ConfigError",
    "Diffusion": "ddpm_jax.diffusion.model:Diffusion",
    "Prediction": "ddpm_jax.diffusion.model:Prediction",
    "schedules": "ddpm_jax.diffusion.process.schedules",
    "predictions": "ddpm_jax.diffusion.process.predictions",
    "weightings": "ddpm_jax.diffusion.objectives.weightings",
    "elbo": "ddpm_jax.diffusion.likelihood.elbo",
    "samplers": "ddpm_jax.diffusion.samplers",
    "guidance": "ddpm_jax.diffusion.conditioning.guidance",
    "nets": "ddpm_jax.nets",
}


if not TYPE_CHECKING:  # Or any name would be right for them.

    def __getattr__(name: str) -> Any:
        if name not in PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, inside = PUBLIC[name].partition(":")
        found = importlib.import_module(module)
        return getattr(found, inside) if inside else found


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
