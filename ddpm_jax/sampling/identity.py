"""The identity of samples: all that they depend on beside their numbers."""

from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.core import loaded_plugins
from ddpm_jax.core.errors import flat
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import (
    guides,
    numbering,
    samplers,
    tasks,
)
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.task import Task
from ddpm_jax.training.checkpoints import fingerprint

# Fields and groups of config.sample on which no sample depends.
NOT_OF_THE_SAMPLES = (
    "num_samples",
    "first",
    "seed",  # Told as the seed that it stands for.
    "batch_size",
    "folder",
    "format",
    "shard_size",
    "step",
    "film",
    "contrast",
)


def of(
    config: Config, restored: Restored[Denoiser], guide: Guide, task: Task
) -> dict[str, Any]:
    """The record of all that a sample depends on beside its number."""
    c = config.sample
    kept = {k: v for k, v in c.items() if k not in NOT_OF_THE_SAMPLES}
    groups = {c.sampler, c.spacing, c.threshold, c.guidance, c.task}
    # Options of choices that are not named have no effect.
    used = flat(
        {k: v for k, v in kept.items() if not isinstance(v, Config) or k in groups}
    )
    choice, options = samplers.sampler_choice(config)
    # Files are identified by their content, in `task.identity`.
    without_effect = {f"{c.task}.{name}" for name in tasks.options_of(config).files}
    without_effect |= {f"{c.sampler}.{name}" for name in options.of_no_effect}
    if choice.has("own_steps"):
        without_effect |= {"num_steps", "spacing"}
        without_effect |= {field for field in used if field.startswith(f"{c.spacing}.")}
    if TIME_GRIDS[c.spacing].has("listed"):
        without_effect.add("num_steps")
    used = {
        field: value for field, value in used.items() if field not in without_effect
    }
    if task.last is not None:
        # The fraction between two images depends on the number of samples.
        used["num_samples"] = c.num_samples
    return {
        "step": restored.step,
        "arrays": fingerprint(restored.params),
        **guides.identity(config, guide),
        **task.identity,
        "seed": numbering.seed_of(config),
        **{f"config.sample.{k}": v for k, v in used.items()},
        **loaded_plugins.identity(),
    }
