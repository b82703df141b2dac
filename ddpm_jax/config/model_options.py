"""The config groups of data, schedule, decoder, model and loss."""

import dataclasses

from ddpm_jax.core.choice import Options, chosen_from, option
from ddpm_jax.core.leaf import Belongs
from ddpm_jax.data.table import SOURCES
from ddpm_jax.models.table import (
    DECODER_MEANS,
    INTERIOR_GOALS,
    LOSSES,
    MODELS,
    PIXEL_DECODERS,
    SCHEDULES,
    TIME_INPUTS,
    TIME_SAMPLINGS,
)
from ddpm_jax.nets.learned_schedule import LARGEST as LARGEST_LOG_SNR


@dataclasses.dataclass(frozen=True)
class Data(Options):
    """The data set, and how it is read."""

    name: str = chosen_from(
        "digits",
        SOURCES,
        "digits, photos, tfds:<name>, folder:<path> or points:<name or file>.",
        with_argument=True,
    )
    batch_size: int = option(
        128, "Examples in a global batch.", at_least=1, belongs=Belongs.RUN
    )
    image_size: int = option(
        0, "Resize to this height and width; 0: as stored.", at_least=0
    )
    center_crop: int = option(
        0, "Crop to this height and width before resizing; 0: none.", at_least=0
    )
    channels: int = option(0, "1 or 3; 0: as stored, or 3 for a folder.")
    stride: int = option(8, 'Pixels between patches of "photos".', at_least=1)
    data_dir: str = option(
        "", 'Folder of TFDS data sets; "": the default of TFDS.', may_change=True
    )
    train_split: str = option("train", "Split to train on.")
    eval_split: str = option("test", "Split to evaluate.", belongs=Belongs.MODE)
    flip: bool = option(
        False, "Mirror horizontally, half of the times.", belongs=Belongs.RUN
    )
    rotate: bool = option(
        False,
        "Rotate by 90, 180 or 270 degrees, half of the times.",
        belongs=Belongs.RUN,
    )
    augmentation_flag: bool = option(
        False,
        "The network takes a flag of both; it is 0 in evaluation.",
        belongs=Belongs.MODEL,
    )
    accept_changes: bool = option(
        False,
        "Take data that have changed since the run began, or a reference was made.",
        belongs=Belongs.MODE,
    )
    skip_broken: bool = option(
        False, "Leave out image files of a folder that cannot be read.", may_change=True
    )
    num_threads: int = option(
        4,
        "Reading threads; large files gain by more.",
        at_least=1,
        belongs=Belongs.RUN,
        may_change=True,
    )
    num_workers: int = option(
        0,
        "Reading processes, where threads are not enough; 0: none.",
        at_least=0,
        belongs=Belongs.RUN,
        may_change=True,
    )
    num_prefetch: int = option(
        16, "Batches held ready.", at_least=1, belongs=Belongs.RUN, may_change=True
    )


@dataclasses.dataclass(frozen=True)
class Schedule(Options):
    """The noise schedule."""

    name: str = chosen_from("linear_beta", SCHEDULES, "The noise schedule.")
    num_steps: int = option(
        1000, "T, the number of latents; 0: infinity, continuous time.", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_steps == 1:
            raise ValueError(
                "num_steps = 1: a chain needs 2 latents or more, so that it has a"
                " transition; write 0 for continuous time."
            )


@dataclasses.dataclass(frozen=True)
class Decoder(Options):
    """The decoder from the least noisy latent to pixels."""

    name: str = chosen_from(
        "discretized_gaussian", PIXEL_DECODERS, "The decoder's family."
    )
    mean: str = chosen_from(
        "x_hat", DECODER_MEANS, "Mean: the estimate x_hat(z_0), or z_0 over alpha_0."
    )


@dataclasses.dataclass(frozen=True)
class Model(Options):
    """The network."""

    name: str = chosen_from("unet", MODELS, "A denoiser's network, or a classifier.")
    class_conditional: bool = option(
        False, "Condition the network on the class of an image."
    )
    label_dropout: float = option(
        0.1,
        "Share of training examples without their class, to learn p(x) too.",
        at_least=0.0,
        at_most=1.0,
        remedy="write a number in [0, 1], such as 0.1",
        belongs=Belongs.RUN,
    )
    time_input: str = chosen_from("t", TIME_INPUTS, "The network's time input.")
    log_snr_bounds: tuple[float | int, ...] = option(
        (),
        "Log SNRs that normalise the input; (): the schedule's ends.",
        example=(-5.0, 13.3),
    )
    time_scale: float = option(
        0.0, "The network sees 0..time_scale; 0: 0..T-1, or 0..1000.", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds, most = self.log_snr_bounds, LARGEST_LOG_SNR
        is_range = len(bounds) == 2 and -most <= bounds[0] < bounds[1] <= most
        if bounds and not is_range:
            raise ValueError(
                f"log_snr_bounds = {bounds}: write two numbers, the lower first, between"
                f" {-most:g} and {most:g}, or () for the schedule's own ends."
            )


@dataclasses.dataclass(frozen=True)
class Loss(Options):
    """The training loss."""

    weighting: str = chosen_from(
        "simple", LOSSES, "Weight of the denoiser's error; elbo: the bound."
    )
    time_sampling: str = chosen_from(
        "stratified", TIME_SAMPLINGS, "Sampling of the times of a batch."
    )
    variance_weight: float = option(
        0.001, "Weight of the bound with a learned variance.", at_least=0
    )
    interior: str = chosen_from(
        "variance", INTERIOR_GOALS, "Objective of a learned interior, T = infinity."
    )
