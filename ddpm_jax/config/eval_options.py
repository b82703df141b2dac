"""The config group of evaluation."""

import dataclasses

from ddpm_jax.core.choice import Options, group, option
from ddpm_jax.evaluation.options import OdeOptions, QualityOptions


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
