"""The schema of the config: every group and field, with its type, default and range.

A config file starts from `default()` and states the difference. The options of one choice
stand in a group of that choice's name (`schedule.cosine` for `schedule.name = "cosine"`),
defined beside the choice itself, so that any choice can be made by an override.
"""

import dataclasses
from collections.abc import Mapping

from ml_collections import ConfigDict as Config

from ddpm_jax.config.eval_options import Eval
from ddpm_jax.config.model_options import Data, Decoder, Loss, Model, Schedule
from ddpm_jax.config.sample_options import Sample
from ddpm_jax.config.training_options import Ema, Optimizer, Parallel, Training
from ddpm_jax.core import choice, randomness
from ddpm_jax.core.choice import Options, chosen_from, group
from ddpm_jax.core.leaf import Belongs, Leaf
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.models.table import (
    REVERSE_VARIANCES,
)


@dataclasses.dataclass(frozen=True)
class Whole(Options):
    """All fields and groups of a config."""

    seed: int = randomness.seed_option(
        0, "Seed of every draw, of 64 bits.", belongs=Belongs.RUN
    )
    prediction: str = chosen_from(
        "eps", PREDICTIONS, "The network's prediction.", belongs=Belongs.MODEL
    )
    reverse_variance: str = chosen_from(
        "forward", REVERSE_VARIANCES, "Variance of p(z_s | z_t).", belongs=Belongs.MODEL
    )
    data: Data = group(Data, "The data set.", belongs=Belongs.DATA)
    schedule: Schedule = group(Schedule, "The noise schedule.", belongs=Belongs.MODEL)
    decoder: Decoder = group(Decoder, "The pixel decoder.", belongs=Belongs.MODEL)
    model: Model = group(Model, "The network.", belongs=Belongs.MODEL)
    loss: Loss = group(Loss, "The training loss.", belongs=Belongs.RUN)
    optimizer: Optimizer = group(Optimizer, "The optimiser.", belongs=Belongs.RUN)
    ema: Ema = group(Ema, "Averages of the parameters.", belongs=Belongs.RUN)
    training: Training = group(
        Training, "Length and outputs of a run.", belongs=Belongs.RUN
    )
    parallel: Parallel = group(Parallel, "Devices.", belongs=Belongs.MODE)
    eval: Eval = group(Eval, "Evaluation.", belongs=Belongs.MODE)
    sample: Sample = group(Sample, "Sampling.", belongs=Belongs.MODE)


def default() -> Config:
    """The config with every field at its default, from which config files start."""
    return Config(choice.defaults(Whole))


def leaves() -> Mapping[str, Leaf]:
    """The definition of every field, by its name within the config."""
    return dict(choice.leaves(Whole))
