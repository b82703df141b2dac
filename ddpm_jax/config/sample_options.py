"""The config group of sampling."""

import dataclasses

from ddpm_jax.core import randomness
from ddpm_jax.core.choice import Options, chosen_from, group, option
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.samplers.readout import READOUTS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling.guides import GUIDES
from ddpm_jax.sampling.shards import FORMATS
from ddpm_jax.sampling.tasks import TASKS

LONGEST_SECONDS = 3600.0  # The longest animation.


@dataclasses.dataclass(frozen=True)
class Film(Options):
    """Trajectories of the first samples, for --mode=sample."""

    num_frames: int = option(0, "Frames along the trajectory; 0: no film.", at_least=0)
    num_images: int = option(8, "Samples that are shown.", at_least=1)
    animation: str = option(
        "", 'gif or webp; "": none.', one_of=(*encoding.ANIMATIONS, "")
    )
    seconds: float = option(
        4.0,
        "Duration of all frames.",
        above=0.0,
        at_most=LONGEST_SECONDS,
        remedy=f"write a number above 0, at most {LONGEST_SECONDS:g}",
    )


@dataclasses.dataclass(frozen=True)
class Contrast(Options):
    """A comparison of samplers and numbers of steps, from the same noise."""

    samplers: str = option("", "Names of samplers, by commas.")
    num_steps: tuple[int, ...] = option(
        (5, 10, 20, 50), "Numbers of steps, a column each."
    )
    num_images: int = option(9, "Samples in a cell.", at_least=1)


@dataclasses.dataclass(frozen=True)
class Sample(Options):
    """Sampling: the sampler, its times, guidance, task and files."""

    sampler: str = chosen_from("ancestral", SAMPLERS, "The sampler.")
    guidance: str = chosen_from("none", GUIDES, "The guidance.")
    num_steps: int = option(
        1000, "Times visited, at most T: one or more evaluations each.", at_least=2
    )
    spacing: str = chosen_from("uniform", TIME_GRIDS, "The grid of times.")
    threshold: str = chosen_from("static", THRESHOLDS, "The threshold of x_hat.")
    end: str = chosen_from(
        "denoise",
        READOUTS,
        "Readout of pixels: x_hat, or the decoder's mean, or its draw.",
    )
    num_samples: int = option(64, "Number of samples.", at_least=1)
    first: int = option(
        0, "Number of the first; jobs share out a range by it.", at_least=0
    )
    seed: int = randomness.seed_option(
        -1, "Seed of the samples; -1: the run's.", at_least=-1
    )
    batch_size: int = option(64, "Samples in a global batch.", at_least=1)
    weights: str = option("ema", "ema, raw, or ema:<one of extra_decays>.")
    step: int = option(-1, "Checkpoint to draw from; -1: the newest.", at_least=-1)
    folder: str = option(
        "", 'For --mode=sample; "": samples/<step>_<sampler>_<num_steps>.'
    )
    format: str = option(
        "npz", "npz files of many samples, or a png for each.", one_of=FORMATS
    )
    shard_size: int = option(1000, "Samples in a file.", at_least=1)
    classes: tuple[int, ...] = option(
        (),
        "Classes of samples in turn, -1 for none; (): random classes.",
        example=(3, 7),
    )
    task: str = chosen_from("generate", TASKS, "Generate anew, or from image files.")
    film: Film = group(Film, "Trajectories of the first samples.")
    contrast: Contrast = group(Contrast, "A comparison of samplers.")
