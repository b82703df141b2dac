"""The config group of evaluation."""

import dataclasses

from ddpm_jax.core.choice import Options, chosen_from, group, option
from ddpm_jax.evaluation.options import QualityOptions
from ddpm_jax.evaluation.table import ESTIMATORS


@dataclasses.dataclass(frozen=True)
class Eval(Options):
    """Evaluation. During training, the first estimator that needs no samples is used."""

    estimators: str = chosen_from(
        "stratified",
        ESTIMATORS,
        "Some by commas: likelihoods and metrics of samples, or of a classifier.",
        listed=True,
    )
    num_draws: int = option(
        16,
        "Stratified: times an image, 2 or 4 n; full: draws of each time.",
        at_least=1,
    )
    pilot_examples: int = option(
        0,
        "Stratified: examples of a pilot pass that chooses strata; 0: none.",
        at_least=0,
    )
    batch_size: int = option(256, "Examples in a global batch.", at_least=1)
    num_examples: int = option(0, "The first so many of the split; 0: all.", at_least=0)
    weights: str = option("ema", "ema, raw, or ema:<one of extra_decays>.")
    clip: bool = option(
        True, "Clip x_hat to the data's range: another model, another bound."
    )
    class_conditional: bool = option(
        True, "Bits of p(x | class), if the network takes classes."
    )
    step: int = option(-1, "Checkpoint to evaluate; -1: the newest.", at_least=-1)
    folder: str = option(
        "",
        'For --mode=eval: where eval/ and reference/ are to be; "": in the workdir.',
    )
    quality: QualityOptions = group(
        QualityOptions, "Of samples as config.sample describes them, by eval.weights."
    )
