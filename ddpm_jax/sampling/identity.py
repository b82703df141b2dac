"""What samples depend on beside their numbers, and options that are of no effect."""

from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.config.schema import default
from ddpm_jax.core.errors import flat
from ddpm_jax.diffusion.samplers import time_grids
from ddpm_jax.models.denoiser import Denoiser
from ddpm_jax.models.restored import Restored
from ddpm_jax.sampling import (
    checks,
    guides,
    samplers,
    tasks,
)
from ddpm_jax.sampling.guides import Guide
from ddpm_jax.sampling.tasks import Task
from ddpm_jax.training.checkpoints import fingerprint

# Of config.sample, what a sample does not depend on.
NOT_OF_THE_SAMPLES = (
    "num_samples",
    "batch_size",
    "folder",
    "format",
    "shard_size",
    "step",
    "film",
    "contrast",
)


def idle(config: Config) -> list[str]:
    """Options that were changed, of choices that were not made."""
    c = config.sample
    apart = {*samplers.SAMPLERS, *time_grids.GRIDS, *samplers.THRESHOLDS}
    apart |= {*checks.GUIDANCE, *tasks.TASKS}
    apart -= {c.sampler, c.spacing, c.threshold, c.guidance, c.task}
    known, given = flat(default().sample), flat(c)
    return [
        f"config.sample.{field} = {value!r}"
        for field, value in given.items()
        if field.partition(".")[0] in apart and value != known[field]
    ]


def identity_of(
    config: Config, restored: Restored[Denoiser], guide: Guide, task: Task
) -> dict[str, Any]:
    """All that a sample depends on beside its number."""
    c = config.sample
    kept = {k: v for k, v in c.items() if k not in NOT_OF_THE_SAMPLES}
    groups = {c.sampler, c.spacing, c.threshold, c.guidance, c.task}
    # Options of choices that were not made are of no effect.
    used = flat(
        {k: v for k, v in kept.items() if not isinstance(v, Config) or k in groups}
    )
    # Of files, what they hold.
    idle_here = {f.removeprefix("config.sample.") for f in tasks.files(config)}
    if c.sampler == samplers.ODE:
        # It has no grid, and more steps change no sample that arrives.
        idle_here |= {"ode.max_steps", "num_steps", "spacing"}
        idle_here |= {field for field in used if field.startswith(f"{c.spacing}.")}
    if c.spacing == "explicit":
        idle_here.add("num_steps")
    if c.ancestral.variance != samplers.ANALYTIC:
        idle_here.add("ancestral.num_examples")
    used = {field: value for field, value in used.items() if field not in idle_here}
    if task.last is not None:
        # Where between two images a sample lies depends on how many there are.
        used["num_samples"] = c.num_samples
    return {
        "step": restored.step,
        "arrays": fingerprint(restored.params),
        **guides.identity(config, guide),
        **task.identity,
        "config.seed": config.seed,
        **{f"config.sample.{k}": v for k, v in used.items()},
    }
