"""The config: every group and field there is, with its type, default and range.

A config file starts from `default()` and states the difference. What belongs to one choice
stands in a group of that choice's name (`schedule.cosine` for `schedule.name = "cosine"`),
defined beside the choice itself, so that any choice can be made by an override.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict as Config

from ddpm_jax.core import choice
from ddpm_jax.core.choice import Leaf, Options, chosen_from, group, option
from ddpm_jax.data.table import SOURCES
from ddpm_jax.diffusion.conditioning.thresholds import THRESHOLDS
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.diffusion.samplers.readout import READOUTS
from ddpm_jax.diffusion.samplers.table import SAMPLERS
from ddpm_jax.diffusion.samplers.time_grids import TIME_GRIDS
from ddpm_jax.evaluation.options import OdeOptions, QualityOptions
from ddpm_jax.models.table import (
    DECODER_MEANS,
    INTERIOR_GOALS,
    LOSSES,
    MODELS,
    PIXEL_DECODERS,
    REVERSE_VARIANCES,
    SCHEDULES,
    TIME_INPUTS,
    TIME_SAMPLINGS,
)
from ddpm_jax.nets.learned_schedule import LARGEST as LARGEST_LOG_SNR
from ddpm_jax.pictures import encoding
from ddpm_jax.sampling.guides import GUIDES
from ddpm_jax.sampling.shards import FORMATS
from ddpm_jax.sampling.tasks import TASKS
from ddpm_jax.training.optimizer import DECAYS, OPTIMIZERS
from ddpm_jax.training.parallel import MODES

LONGEST = 3600.0  # Seconds of an animation.


@dataclasses.dataclass(frozen=True)
class Data(Options):
    """What is learned from, and how it is read."""

    name: str = chosen_from(
        "digits",
        SOURCES,
        "digits, photos, tfds:<name> or folder:<path>.",
        with_argument=True,
    )
    batch_size: int = option(128, "Global.", at_least=1)
    image_size: int = option(
        0, "Resize to this height and width; 0: as stored.", at_least=0
    )
    center_crop: int = option(
        0, "Before the resize, to this height and width; 0: none.", at_least=0
    )
    channels: int = option(0, "1 or 3; 0: as stored, or 3 for a folder.")
    stride: int = option(8, 'Between patches of "photos".', at_least=1)
    data_dir: str = option(
        "", 'Where TFDS keeps its data sets; "": its own default.', may_change=True
    )
    train_split: str = option("train", "To learn from.")
    eval_split: str = option("test", "To evaluate.")
    flip: bool = option(False, "Horizontally, half of the times an example is seen.")
    rotate: bool = option(False, "By 90, 180 or 270 degrees, half of the times.")
    augmentation_flag: bool = option(
        False, "The network is told of both, and 0 in evaluation."
    )
    skip_broken: bool = option(
        False, "Leave out image files of a folder that cannot be read."
    )
    num_threads: int = option(
        4,
        "That read batches; large files gain by more.",
        at_least=1,
        may_change=True,
    )
    num_workers: int = option(
        0,
        "Processes that read, where threads are not enough; 0: none.",
        at_least=0,
        may_change=True,
    )
    num_prefetch: int = option(16, "Batches held ready.", at_least=1, may_change=True)


@dataclasses.dataclass(frozen=True)
class Schedule(Options):
    """How noise grows with time."""

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
    """From the least noisy latent to pixels."""

    name: str = chosen_from("discretized_gaussian", PIXEL_DECODERS, "Its family.")
    mean: str = chosen_from(
        "x_hat", DECODER_MEANS, "The network's estimate at z_0, or z_0 over alpha_0."
    )


@dataclasses.dataclass(frozen=True)
class Model(Options):
    """What is trained."""

    name: str = chosen_from("unet", MODELS, "A denoiser's network, or a classifier.")
    class_conditional: bool = option(
        False, "The network is told the class of an image."
    )
    label_dropout: float = option(
        0.1,
        "How often in training it is not: it learns p(x) beside.",
        at_least=0.0,
        at_most=1.0,
        remedy="write a number in [0, 1], such as 0.1",
    )
    time_input: str = chosen_from("t", TIME_INPUTS, "What the network is told.")
    log_snr_bounds: tuple[float | int, ...] = option(
        (),
        "That log SNR is normalised by; (): the schedule's ends.",
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
    """What training lowers."""

    weighting: str = chosen_from(
        "simple", LOSSES, "Of the denoiser's error; elbo: the bound itself."
    )
    time_sampling: str = chosen_from(
        "stratified", TIME_SAMPLINGS, "Where the times of a batch come from."
    )
    variance_weight: float = option(
        0.001, "Of the bound, where the reverse variance is learned.", at_least=0
    )
    interior: str = chosen_from(
        "variance", INTERIOR_GOALS, "What a learned one lowers at T = infinity."
    )


@dataclasses.dataclass(frozen=True)
class Optimizer(Options):
    """How parameters follow the gradient."""

    name: str = chosen_from("adam", OPTIMIZERS, "The rule.")
    learning_rate: float = option(
        2e-4,
        "At its peak.",
        above=0.0,
        finite=True,
        remedy="write a number above 0, such as 2e-4",
    )
    schedule_learning_rate: float = option(
        1e-3,
        "Of a learned schedule; warm-up and decay as below.",
        above=0.0,
        finite=True,
        remedy="write a number above 0, such as 2e-4",
    )
    warmup_steps: int = option(5_000, "0: none.", at_least=0)
    decay: str = chosen_from("constant", DECAYS, "Of the rate, after the warm-up.")
    decay_steps: int = option(800_000, "What it takes.", at_least=1)
    final_fraction: float = option(0.0, "What cosine leaves of the rate.", at_least=0)
    b1: float = option(0.9, "Decay of the gradient's average.", at_least=0.0, below=1.0)
    b2: float = option(0.999, "Decay of its square's.", at_least=0.0, below=1.0)
    eps: float = option(
        1e-8,
        "Added to the root of the latter.",
        above=0.0,
        below=1.0,
        remedy="write a small number above 0",
    )
    weight_decay: float = option(0.0, "Of the network's kernels.", at_least=0)
    clip_norm: float = option(1.0, "Of the network's gradient; 0: none.", at_least=0)


def _decay(default: Any, meaning: str, example: Any = None) -> Any:
    remedy = "write a number in [0, 1), such as 0.9999"
    return option(
        default, meaning, at_least=0.0, below=1.0, remedy=remedy, example=example
    )


@dataclasses.dataclass(frozen=True)
class Ema(Options):
    """Averages of the parameters."""

    decay: float = _decay(
        0.9999, "Of the average that evaluation and sampling use by default."
    )
    warmup: bool = option(False, "Begin with a decay of (1 + n) / (10 + n).")
    extra_decays: tuple[float | int, ...] = _decay((), "Of further averages.", (0.999,))


@dataclasses.dataclass(frozen=True)
class Training(Options):
    """How long a run goes on, and what it leaves on the way; 0 steps: never."""

    num_steps: int = option(800_000, "Of the whole run.", at_least=1, may_change=True)
    num_microbatches: int = option(
        1, "A batch is differentiated in so many pieces.", at_least=1
    )
    start_from: str = option(
        "", 'A workdir whose network a new run starts with; "": a new network.'
    )
    start_weights: str = option("ema", "Of that workdir: ema, raw, or ema:<a decay>.")
    max_skipped: int = option(
        10,
        "Non-finite steps in a row before the run gives up.",
        at_least=1,
        may_change=True,
    )
    log_every: int = option(100, "Steps.", at_least=0, may_change=True)
    eval_every: int = option(10_000, "Steps.", at_least=0, may_change=True)
    sample_every: int = option(10_000, "Steps.", at_least=0, may_change=True)
    checkpoint_every: int = option(5_000, "Steps.", at_least=0, may_change=True)
    keep_last: int = option(3, "Checkpoints.", at_least=1, may_change=True)
    keep_every: int = option(
        0,
        "Steps whose checkpoints are never removed; 0: none.",
        at_least=0,
        may_change=True,
    )


@dataclasses.dataclass(frozen=True)
class Parallel(Options):
    """How devices share the work."""

    mode: str = chosen_from("jit", MODES, "One program over a mesh, or one a device.")
    fsdp: int = option(
        1, "Devices that parameters and optimiser state are cut over.", at_least=1
    )


@dataclasses.dataclass(frozen=True)
class Eval(Options):
    """What is measured. While training the first that needs no samples is used."""

    estimators: str = option(
        "stratified",
        "By commas, of stratified, full, ode; of samples' quality fid, kid,"
        " inception_score, precision_recall, density_coverage; of a classifier accuracy.",
    )
    num_draws: int = option(
        16,
        "Stratified: times an image, 2 or 4 n; full: draws of each time.",
        at_least=1,
    )
    pilot_examples: int = option(
        0,
        "Stratified: that tell where draws are worth most; 0: even.",
        at_least=0,
    )
    batch_size: int = option(256, "Global.", at_least=1)
    num_examples: int = option(0, "The first so many of the split; 0: all.", at_least=0)
    weights: str = option("ema", "ema, raw, or ema:<one of extra_decays>.")
    clip: bool = option(
        True, "x_hat to the range of the data: another model, another bound."
    )
    class_conditional: bool = option(
        True, "Bits of p(x | class), where the network is told it."
    )
    step: int = option(-1, "Checkpoint to evaluate; -1: the newest.", at_least=-1)
    ode: OdeOptions = group(OdeOptions, "Of the probability flow's density.")
    quality: QualityOptions = group(
        QualityOptions, "Of samples as config.sample describes them, by eval.weights."
    )


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


@dataclasses.dataclass(frozen=True)
class Whole(Options):
    """The whole config."""

    seed: int = option(0, "Of every draw.")
    prediction: str = chosen_from("eps", PREDICTIONS, "What the network predicts.")
    reverse_variance: str = chosen_from(
        "forward", REVERSE_VARIANCES, "Of p(z_s | z_t)."
    )
    data: Data = group(Data, "What is learned from.")
    schedule: Schedule = group(Schedule, "How noise grows.")
    decoder: Decoder = group(Decoder, "From z_0 to pixels.")
    model: Model = group(Model, "What is trained.")
    loss: Loss = group(Loss, "What training lowers.")
    optimizer: Optimizer = group(Optimizer, "How.")
    ema: Ema = group(Ema, "Averages of the parameters.")
    training: Training = group(Training, "How long, and what is left on the way.")
    parallel: Parallel = group(Parallel, "Devices.", may_change=True)
    eval: Eval = group(Eval, "What is measured.", may_change=True)
    sample: Sample = group(Sample, "What is drawn.", may_change=True)


def default() -> Config:
    """Every field there is. A config without data.name and model sizes is not complete."""
    return Config(choice.defaults(Whole))


def leaves() -> Mapping[str, Leaf]:
    """The definition of every field, by its name within the config."""
    return dict(choice.leaves(Whole))
