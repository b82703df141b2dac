"""The config group of sampling."""

import dataclasses

from ddpm_jax.core.choice import Options, chosen_from, group, option
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.samplers.readout import READOUTS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling.guides import GUIDES
from ddpm_jax.sampling.shards import FORMATS
from ddpm_jax.sampling.tasks import TASKS

LONGEST = 3600.0  # Seconds of an animation.


@dataclasses.dataclass(frozen=True)
class Film(Options):
    """How the first samples came about, for --mode=sample."""

    num_frames: int = option(0, "Along the way; 0: no film.", at_least=0)
    num_images: int = option(8, "Samples that are shown.", at_least=1)
    animation: str = option(
        "", 'gif or webp; "": none.', one_of=(*encoding.ANIMATIONS, "")
    )
    seconds: float = option(
        4.0,
        "That all frames take.",
        above=0.0,
        at_most=LONGEST,
        remedy=f"write a number above 0, at most {LONGEST:g}",
    )


@dataclasses.dataclass(frozen=True)
class Contrast(Options):
    """Samplers beside each other from the same noise, by numbers of steps."""

    samplers: str = option("", "By commas.")
    num_steps: tuple[int, ...] = option((5, 10, 20, 50), "A column each.")
    num_images: int = option(9, "In a cell.", at_least=1)


@dataclasses.dataclass(frozen=True)
class Sample(Options):
    """What is drawn, and how."""

    sampler: str = chosen_from("ancestral", SAMPLERS, "From noise to an image.")
    guidance: str = chosen_from("none", GUIDES, "What pushes the model.")
    num_steps: int = option(
        1000, "Times visited, at most T: one or more evaluations each.", at_least=2
    )
    spacing: str = chosen_from("uniform", TIME_GRIDS, "Of the times.")
    threshold: str = chosen_from("static", THRESHOLDS, "Of x_hat.")
    end: str = chosen_from(
        "denoise",
        READOUTS,
        "From z_0 to pixels: x_hat, or the decoder's mean, or its draw.",
    )
    num_samples: int = option(64, "In all.", at_least=1)
    batch_size: int = option(64, "Global.", at_least=1)
    weights: str = option("ema", "ema, raw, or ema:<one of extra_decays>.")
    step: int = option(-1, "Checkpoint to draw from; -1: the newest.", at_least=-1)
    folder: str = option(
        "", 'For --mode=sample; "": samples/<step>_<sampler>_<num_steps>.'
    )
    format: str = option("npz", "Or png: a file a sample.", one_of=FORMATS)
    shard_size: int = option(1000, "Samples in a file.", at_least=1)
    classes: tuple[int, ...] = option(
        (),
        "Of the samples in turn, -1 for none; (): drawn, each class as likely.",
        example=(3, 7),
    )
    task: str = chosen_from("generate", TASKS, "Generate anew, or from image files.")
    film: Film = group(Film, "How the first samples came about.")
    contrast: Contrast = group(Contrast, "Samplers beside each other.")
