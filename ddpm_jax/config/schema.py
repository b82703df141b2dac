"""The config: every group and field there is, with its type, default and range.

A config file starts from `default()` and states the difference. What belongs to one choice
stands in a group of that choice's name (`schedule.cosine` for `schedule.name = "cosine"`),
defined beside the choice itself, so that any choice can be made by an override.
"""

import dataclasses
from collections.abc import Mapping

from ml_collections import ConfigDict as Config

from ddpm_jax.config.eval_options import Eval
from ddpm_jax.config.model_options import Data, Decoder, Loss, Model, Schedule
from ddpm_jax.config.sample_options import Sample
from ddpm_jax.config.training_options import Ema, Optimizer, Parallel, Training
from ddpm_jax.core import choice
from ddpm_jax.core.choice import Leaf, Options, chosen_from, group, option
from ddpm_jax.diffusion.process.predictions import PREDICTIONS
from ddpm_jax.models.table import (
    REVERSE_VARIANCES,
)


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
