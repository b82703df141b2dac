"""The config groups of training: optimiser, averages, length and outputs of a run, devices."""

import dataclasses
from typing import Any

from ddpm_jax.core.choice import Options, chosen_from, option
from ddpm_jax.training.optimizer import OPTIMIZERS
from ddpm_jax.training.parallel import MODES
from ddpm_jax.training.rates import DECAYS
from ddpm_jax.training.starts import STARTS


@dataclasses.dataclass(frozen=True)
class Optimizer(Options):
    """The optimiser and its learning rates."""

    name: str = chosen_from("adam", OPTIMIZERS, "The rule.")
    learning_rate: float = option(
        2e-4,
        "Peak learning rate of the network.",
        above=0.0,
        finite=True,
        remedy="write a number above 0, such as 2e-4",
    )
    schedule_learning_rate: float = option(
        1e-3,
        "Peak rate of a learned schedule; warm-up and decay as below.",
        above=0.0,
        finite=True,
        remedy="write a number above 0, such as 2e-4",
    )
    warmup_steps: int = option(5_000, "Steps of warm-up; 0: none.", at_least=0)
    decay: str = chosen_from("constant", DECAYS, "Decay of the rate after the warm-up.")
    decay_steps: int = option(
        0,
        "Step at which the decay ends, a time scale for rsqrt; 0: the run's last.",
        at_least=0,
        may_change=True,
    )
    final_fraction: float = option(
        0.0, "Fraction of the peak at which the decay ends.", at_least=0
    )
    b1: float = option(0.9, "Decay of the gradient's average.", at_least=0.0, below=1.0)
    b2: float = option(0.999, "Decay of its square's average.", at_least=0.0, below=1.0)
    eps: float = option(
        1e-8,
        "Added to the root of that average.",
        above=0.0,
        below=1.0,
        remedy="write a small number above 0",
    )
    weight_decay: float = option(
        0.0, "Weight decay of the network's kernels.", at_least=0
    )
    clip_norm: float = option(
        1.0, "Largest norm of the network's gradient; 0: none.", at_least=0
    )


def _decay(default: Any, meaning: str, example: Any = None) -> Any:
    remedy = "write a number in [0, 1), such as 0.9999"
    return option(
        default, meaning, at_least=0.0, below=1.0, remedy=remedy, example=example
    )


@dataclasses.dataclass(frozen=True)
class Ema(Options):
    """Averages of the parameters."""

    decay: float = _decay(0.9999, "Decay of the average that is evaluated and sampled.")
    warmup: bool = option(False, "Start with a decay of (1 + n) / (10 + n).")
    extra_decays: tuple[float | int, ...] = _decay(
        (), "Decays of further averages.", (0.999,)
    )


@dataclasses.dataclass(frozen=True)
class Training(Options):
    """The length of a run, and the steps between its outputs; 0 steps: never."""

    num_steps: int = option(
        800_000, "Steps of the whole run.", at_least=1, may_change=True
    )
    num_microbatches: int = option(
        1,
        "Pieces of a batch, differentiated one by one; more take less memory.",
        at_least=1,
        may_change=True,
    )
    start_from: str = option(
        "", 'A workdir from which a new run starts; "": a new network.'
    )
    start_step: int = option(-1, "Its checkpoint; -1: the newest.", at_least=-1)
    start_with: str = chosen_from(
        "network", STARTS, "What is taken: its network, or all its state and step."
    )
    start_weights: str = option(
        "ema", "Its network's weights: ema, raw, or ema:<a decay>."
    )
    max_skipped: int = option(
        10,
        "Non-finite steps in a row before the run gives up.",
        at_least=1,
        may_change=True,
    )
    log_every: int = option(100, "Steps between rows.", at_least=0, may_change=True)
    eval_every: int = option(
        10_000, "Steps between evaluations.", at_least=0, may_change=True
    )
    sample_every: int = option(
        10_000, "Steps between samples.", at_least=0, may_change=True
    )
    checkpoint_every: int = option(
        5_000, "Steps between checkpoints.", at_least=0, may_change=True
    )
    keep_last: int = option(
        3, "Newest checkpoints to keep.", at_least=1, may_change=True
    )
    keep_every: int = option(
        0,
        "Steps whose checkpoints are never removed; 0: none.",
        at_least=0,
        may_change=True,
    )


@dataclasses.dataclass(frozen=True)
class Parallel(Options):
    """The division of work among devices."""

    mode: str = chosen_from("jit", MODES, "One program over a mesh, or one a device.")
    fsdp: int = option(1, "Devices over which parameters are sharded.", at_least=1)
